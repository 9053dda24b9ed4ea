// What the pages say, in English and German. The English set says which sentences there are; the German one must have the same.

/** @typedef {typeof ENGLISH} Words */
/** @typedef {"en" | "de"} Language */

const ENGLISH = {
  language: /** @type {Language} */ ("en"),

  framedTitle: "This page does not open inside another page",
  framedText: "Open it in a window of its own. Inside another page, somebody could make you press what you do not see.",
  tooOldTitle: "This browser cannot sign you in",
  tooOldText:
    "It lacks passkeys or the Ed25519 signatures with which this page checks what it is told. Please update it, or use another one.",
  problemTitle: "Something went wrong",
  unexpected: "This page met something it does not understand, and stopped. Reload it to try again.",
  tryAgain: "Try again",
  details: "Technical details",
  loading: "Checking …",

  stoppedTitle: "This page stopped",
  stoppedLead: "What it was told does not match the public log, so it did not go on, and nothing was sent anywhere.",
  stoppedAfter:
    "Close this page. If it happens again, tell the people who run this issuer; they can look into it with the details below.",
  distrust: {
    checkpoint_malformed: "The gateway sent something that cannot be read.",
    checkpoint_unsigned: "The log's signature is missing or does not verify under the key that this site publishes.",
    leaf_not_in_log: "The newest entry that the gateway shows is not in the signed log.",
    went_back: "The gateway now shows an older or different log than a moment ago.",
    record_malformed: "The registered record is of another kind, or cannot be read.",
    record_not_in_registry: "What the gateway says about this app or invitation is not what was decided and logged.",
    record_of_another: "The registered record belongs to somebody else.",
  },
  usedAlready: "This request was used already. Please try again.",
  notTaken: (/** @type {string} */ code) => `The server did not take the request; it says “${code}”.`,
  siteTrouble: "The files of this site are missing or wrong. The people who run it must repair them.",
  unreachable: "The server does not answer. Check your connection, or try again in a moment.",
  noQuorum: "Too few custodians answer at the moment, so nothing can be signed. Please try again in a moment.",

  stop: {
    client_id_missing: "The link that brought you here does not say which app wants you to sign in.",
    client_id_malformed: "The link that brought you here names an app in a way that no app here is named.",
    client_unknown: "The app that sent you here is not registered with this issuer.",
    client_suspended: "The app that sent you here was stopped by an administrator of this issuer.",
    redirect_uri_missing: "The link that brought you here does not say, once and clearly, where the answer should go.",
    redirect_uri_unregistered: "The app wants the answer sent to an address that is not registered for it.",
    redirect_uri_forbidden: "The app wants the answer sent to an address that no browser should be sent to.",
  },
  stopTitle: "You cannot sign in from here",
  stopAfter:
    "Nothing was sent to the app. Go back to it and start again; if that does not help, tell the people who run it.",

  signInTo: (/** @type {string} */ name) => `Sign in to ${name}`,
  goesTo: "The answer goes to",
  getsTitle: (/** @type {string} */ name) => `What ${name} gets`,
  alsoTitle: "And this permission",
  scopes: /** @type {Record<string, string>} */ ({
    openid: "an identifier that tells it you are the same person next time",
    profile: "your name and user name",
    email: "your e-mail address",
    groups: "the groups you belong to",
    "quorate:account": "a look at your passkeys and at every token issued in your name",
  }),
  claims: /** @type {Record<string, string>} */ ({
    name: "your name",
    preferred_username: "your user name",
    email: "your e-mail address",
    email_verified: "whether your e-mail address was verified",
    groups: "the groups you belong to",
  }),
  recorded: (/** @type {string} */ host) =>
    `This sign-in will be recorded in the public log of ${host} before the app gets anything. What is public of it names neither you nor the app.`,
  onlyFor: "The app wants the same person to sign in as before.",
  userName: "User name",
  userNameHint: "Choose your passkey from the list that your browser offers here, or press the button.",
  withPasskey: "Sign in with a passkey",
  deny: "Do not sign in",
  waitingForPasskey: "Your browser or device now asks for your passkey.",
  recording: "Recording your sign-in …",
  silently: (/** @type {string} */ name) => `Signing you in to ${name} …`,
  goingBack: (/** @type {string} */ place) => `You are signed in. Going back to ${place} …`,
  backTitle: "You are signed in",
  backToApp: (/** @type {string} */ name) => `Open ${name}`,
  backToAppLead: "Your answer is ready. Your browser opens the app only when you press the button.",
  errorBackTitle: "You were not signed in",
  errorBackLead: (/** @type {string} */ name) => `${name} is told so when you go back.`,
  passkeyTitle: "The passkey did not answer",
  passkey: {
    NotAllowedError: "It was cancelled, took too long, or there is no passkey for this site on this device.",
    SecurityError: "This address cannot use passkeys. A sign-in page needs https.",
    InvalidStateError: "This device already holds a passkey for you here.",
    NotSupportedError: "This device cannot make the kind of passkey that is needed.",
    other: "Your browser could not use the passkey.",
  },
  tookTooLong: "It took too long, so the request is no longer fresh. Please try once more.",
  notAcceptedTitle: "You were not signed in",
  notAccepted: "This passkey could not be used here. You can try another one.",
  refusedTitle: "The custodians refused",
  refusals: /** @type {Record<string, string>} */ ({
    stale_registry: "Something about the app or your passkeys changed a moment ago. Please try again.",
    client_suspended: "The app was stopped by an administrator of this issuer.",
    user_suspended: "This account was stopped by an administrator of this issuer.",
    credential_revoked: "This passkey was stopped. Use another one.",
    stale_anchor: "The request is no longer fresh. Please try again.",
    late: "Signing took too long. Please try again.",
    wrong_user: "This is somebody else’s passkey than the app asked for.",
  }),
  refusedOther: (/** @type {string} */ code) => `They gave the reason “${code}”.`,

  enrolTitle: "Set up your passkey",
  enrolLead: (/** @type {string} */ name, /** @type {string} */ host) => `${name}, you were invited to ${host}.`,
  enrolAs: "Your user name there is",
  enrolWhat:
    "A passkey lets you sign in with your fingerprint, face or device PIN. There is no password. It stays with your device or password manager.",
  enrolRecorded:
    "That this passkey is yours will be recorded in the public log. What is public of it does not name you.",
  label: "Name of this passkey",
  labelHint: "So that you recognise it later, for example “Phone” or “Blue key”.",
  labelDefault: "My passkey",
  labelBad: "Please give it a name of up to 64 letters.",
  makePasskey: "Make a passkey",
  making: "Your browser or device now makes the passkey.",
  confirmTitle: "Now use it once",
  confirmLead: "The passkey was made. Use it once to prove that it works; only then it is recorded.",
  confirmButton: "Use the new passkey",
  enrolling: "Recording your passkey …",
  enrolledTitle: "Your passkey is ready",
  enrolled: (/** @type {number} */ index) => `It stands in the public log as entry ${index}.`,
  toAccount: "Go to your account",
  invitationIncomplete:
    "This link is not complete. Copy the whole link from your invitation, with everything behind the # sign.",
  invitationGone: "This invitation was used already, or was withdrawn. Ask the person who invited you for a new one.",
  invitationExpired: "This invitation has expired. Ask the person who invited you for a new one.",
  invitationTitle: "This invitation cannot be used",

  accountTitle: "Your account",
  accountLead: "See your passkeys and every token that was ever issued in your name.",
  accountSignIn: "Sign in",
  accountSigningIn: "Signing you in …",
  accountNotSignedIn: "You were not signed in.",
  accountBadReturn: "The answer does not belong to a sign-in that this page began. Please sign in again.",
  accountExpired: "For your safety this page is open for a few minutes only. Please sign in again.",
  signedInAs: "Signed in as",
  signOut: "Sign out",
  passkeysTitle: "Your passkeys",
  passkeyAdded: "Added",
  passkeyEntry: (/** @type {number} */ index) => `log entry ${index}`,
  passkeyRevoked: "Revoked",
  passkeyInUse: "Used for this visit",
  passkeyUnnamed: "Passkey without a name",
  addPasskey: "Add a passkey",
  addTitle: "Add a passkey",
  addLead: "Three steps: make the new passkey, use it once, and agree with the one that you signed in with.",
  addAgreeTitle: "Now agree with the passkey that you have",
  addAgreeLead: "Nobody can add a passkey to your account without one that is already yours.",
  addAgree: "Agree with my passkey",
  addedNews: (/** @type {number} */ index) => `The passkey was added, as log entry ${index}.`,
  cancel: "Cancel",
  tokensTitle: "Your tokens",
  tokensLead:
    "Every token that was ever issued in your name stands in the public log. This page searches the log itself and checks every entry; the gateway cannot hide one.",
  tokensNone: "No token was found so far.",
  tokensNoKey:
    "Your passkey did not hand over the key to your entries, so this page cannot look for them. Sign in again, if you can with another passkey.",
  searching: "Searching the log …",
  searched: (/** @type {string} */ looked, /** @type {string} */ all) => `${looked} of ${all} entries searched.`,
  searchedAll: (/** @type {string} */ all) => `The whole log was searched and checked: ${all} entries.`,
  searchedBack: "Complete back to",
  searchedUpTo: "The newest entry is of",
  lagging: (/** @type {number} */ entries) =>
    `The published log is ${entries} entries behind what is signed, so the newest tokens may not be listed yet. Reload this page in a moment.`,
  further: "Search further back",
  searchFailed: "The search stopped: part of the log is missing or does not match its signature.",
  group: {
    first: "Signed in",
    latest: "Last token",
    passkey: "with a passkey",
    session: "without a tap, from a session",
    other: "in another way",
  },
  renewals: (/** @type {number} */ count) => (count === 1 ? "1 token" : `${count} tokens`),
  accessToken: "Access token",
  idToken: "ID token",
  tokenFor: "for",
  tokenScope: "may",
  tokenUntil: "valid until",
  proof: "Download proof",
  proofOf: (/** @type {number} */ index) => `Download proof: log entry ${index}`,
  notMe: "This wasn’t me",
  notMeOf: (/** @type {string} */ app) => `This wasn’t me: ${app}`,
  notMeTitle: (/** @type {string} */ app) => `Stop this sign-in to ${app}?`,
  notMeLead:
    "Your passkey signs the order. It stops the token and its session for everybody who asks the issuer; apps that never ask may accept it for a few more minutes.",
  notMeButton: "Stop it with my passkey",
  notMeDone: (/** @type {number} */ index) => `Stopped. The order is log entry ${index}.`,
  stopped: "Stopped",
  thisBrowser: "This browser",
  leftOutTitle: "Left out by the gateway",
  leftOutLead:
    "These entries are yours: they stand in the public log. But the gateway did not hand over what they say, or what it handed over is not what was logged. That should not happen; tell the people who run this issuer.",
  leftOut: (/** @type {number} */ index) => `Log entry ${index}`,
  otherTitle: "Other entries of yours",
  entryTypes: /** @type {Record<string, string>} */ ({
    enrolment: "Passkey added",
    revocation: "Something was stopped",
    token: "Token",
  }),

  logoutTitle: "Sign out",
  logoutAsk: "Do you want to sign out of this issuer in this browser?",
  logoutAskApp: (/** @type {string} */ name) => `${name} asks you to sign out of this issuer in this browser.`,
  logoutButton: "Sign out",
  logoutStay: "Stay signed in",
  loggedOutTitle: "You are signed out",
  loggedOutLead:
    "This browser no longer signs you in without a tap. Apps that you are signed in to may keep you signed in until you sign out there.",
  stayedTitle: "You are still signed in",
  logoutGoing: (/** @type {string} */ place) => `You are signed out. Going back to ${place} …`,
  logoutBad: {
    hint: "The app handed over proof of a sign-in that this issuer did not give.",
    client: "The app is not the one that the sign-in was for, or is not registered.",
    address: "The app wants to send you to an address that is not registered for it.",
  },
  logoutBadAfter: "This page does not go there. You can still sign out.",

  indexWhat: (/** @type {string} */ host) => `This is ${host}, an issuer of sign-ins without a master key`,
  indexHow: (/** @type {number} */ threshold, /** @type {number} */ custodians) =>
    `${threshold} of ${custodians} custodians each check the proof behind every token, write it to a public log, and only then sign together.`,
  indexHowUnknown:
    "Several custodians each check the proof behind every token, write it to a public log, and only then sign together.",
  indexWhy:
    "Nobody who takes over one machine can issue a token, and you can list every token that was ever issued in your name.",
  indexDemo: "This is a demonstration: all custodians run on one machine, so they are not independent.",
  indexAccount: "Your account and your tokens",
  indexState: "State",
  indexChecked: "Checked by this page",
  indexCheckpoint: (/** @type {string} */ size) => `The signed log has ${size} entries. The newest is of`,
  indexUnchecked: "No signed log could be had or checked just now.",
  indexSaid: "What the gateway says about the custodians; nothing proves it",
  indexSaidNothing:
    "The gateway does not say how the custodians are. That is no good news and no bad news: it is unknown.",
  indexQuorum: (/** @type {number} */ voting, /** @type {number} */ threshold) =>
    voting >= threshold
      ? `${voting} custodians vote; ${threshold} are needed.`
      : `Only ${voting} custodians vote, and ${threshold} are needed: nothing can be signed at the moment.`,
  custodian: "Custodian",
  standing: "Standing",
  lastSeen: "Last heard of",
  standings: /** @type {Record<string, string>} */ ({
    voting: "votes",
    following: "follows, does not vote",
    joining: "joins",
    amnesic: "lost its memory, never votes again",
    new: "new",
  }),
  notLinked: "not connected",
  standingUnknown: "unknown",
  never: "never",
  secondsAgo: (/** @type {number} */ seconds) => (seconds < 2 ? "just now" : `${seconds} seconds ago`),
  indexForMachines: "For software",
  discovery: "Discovery document",
  keySet: "Key set",
  policyFile: "Log policy",
  checkpointFile: "Newest checkpoint",
};

/** @type {Words} */
const GERMAN = {
  language: "de",

  framedTitle: "Diese Seite öffnet sich nicht innerhalb einer anderen",
  framedText:
    "Öffnen Sie sie in einem eigenen Fenster. Innerhalb einer anderen Seite könnte man Sie drücken lassen, was Sie nicht sehen.",
  tooOldTitle: "Dieser Browser kann Sie nicht anmelden",
  tooOldText:
    "Ihm fehlen Passkeys oder die Ed25519-Signaturen, mit denen diese Seite prüft, was ihr gesagt wird. Bitte aktualisieren Sie ihn oder nehmen Sie einen anderen.",
  problemTitle: "Etwas ist schiefgegangen",
  unexpected:
    "Diese Seite traf auf etwas, das sie nicht versteht, und hielt an. Laden Sie sie neu, um es noch einmal zu versuchen.",
  tryAgain: "Noch einmal versuchen",
  details: "Technische Einzelheiten",
  loading: "Wird geprüft …",

  stoppedTitle: "Diese Seite hat angehalten",
  stoppedLead:
    "Was ihr gesagt wurde, passt nicht zum öffentlichen Protokoll. Darum ging sie nicht weiter, und nichts wurde gesendet.",
  stoppedAfter:
    "Schließen Sie diese Seite. Wenn es wieder geschieht, sagen Sie es den Betreibern; mit den Einzelheiten unten können sie dem nachgehen.",
  distrust: {
    checkpoint_malformed: "Das Gateway hat etwas geschickt, das nicht lesbar ist.",
    checkpoint_unsigned:
      "Die Signatur des Protokolls fehlt oder passt nicht zu dem Schlüssel, den diese Seite veröffentlicht.",
    leaf_not_in_log: "Der neueste Eintrag, den das Gateway zeigt, steht nicht im signierten Protokoll.",
    went_back: "Das Gateway zeigt jetzt ein älteres oder anderes Protokoll als eben noch.",
    record_malformed: "Der Eintrag im Register ist von anderer Art oder nicht lesbar.",
    record_not_in_registry:
      "Was das Gateway über diese App oder Einladung sagt, wurde so nicht beschlossen und protokolliert.",
    record_of_another: "Der Eintrag im Register gehört zu jemand anderem.",
  },
  usedAlready: "Diese Anfrage wurde schon benutzt. Bitte versuchen Sie es noch einmal.",
  notTaken: (code) => `Der Server hat die Anfrage nicht angenommen; er sagt „${code}“.`,
  siteTrouble: "Dateien dieser Seite fehlen oder sind falsch. Die Betreiber müssen sie in Ordnung bringen.",
  unreachable: "Der Server antwortet nicht. Prüfen Sie Ihre Verbindung, oder versuchen Sie es gleich noch einmal.",
  noQuorum:
    "Zurzeit antworten zu wenige Treuhänder, darum kann nichts signiert werden. Bitte versuchen Sie es gleich noch einmal.",

  stop: {
    client_id_missing: "Der Link, über den Sie kamen, sagt nicht, bei welcher App Sie sich anmelden sollen.",
    client_id_malformed: "Der Link, über den Sie kamen, nennt eine App auf eine Art, wie hier keine heißt.",
    client_unknown: "Die App, von der Sie kamen, ist hier nicht registriert.",
    client_suspended: "Die App, von der Sie kamen, wurde von einem Administrator angehalten.",
    redirect_uri_missing:
      "Der Link, über den Sie kamen, sagt nicht einmal und eindeutig, wohin die Antwort gehen soll.",
    redirect_uri_unregistered: "Die App will die Antwort an eine Adresse, die für sie nicht registriert ist.",
    redirect_uri_forbidden: "Die App will die Antwort an eine Adresse, zu der kein Browser geschickt werden sollte.",
  },
  stopTitle: "Von hier aus können Sie sich nicht anmelden",
  stopAfter:
    "Die App hat nichts bekommen. Gehen Sie zurück und beginnen Sie neu; wenn das nicht hilft, sagen Sie es ihren Betreibern.",

  signInTo: (name) => `Bei ${name} anmelden`,
  goesTo: "Die Antwort geht an",
  getsTitle: (name) => `Das bekommt ${name}`,
  alsoTitle: "Und diese Berechtigung",
  scopes: {
    openid: "eine Kennung, an der es Sie das nächste Mal wiedererkennt",
    profile: "Ihren Namen und Benutzernamen",
    email: "Ihre E-Mail-Adresse",
    groups: "die Gruppen, zu denen Sie gehören",
    "quorate:account": "Einblick in Ihre Passkeys und jedes auf Ihren Namen ausgestellte Token",
  },
  claims: {
    name: "Ihren Namen",
    preferred_username: "Ihren Benutzernamen",
    email: "Ihre E-Mail-Adresse",
    email_verified: "ob Ihre E-Mail-Adresse bestätigt ist",
    groups: "die Gruppen, zu denen Sie gehören",
  },
  recorded: (host) =>
    `Diese Anmeldung wird im öffentlichen Protokoll von ${host} verzeichnet, bevor die App etwas bekommt. Was davon öffentlich ist, nennt weder Sie noch die App.`,
  onlyFor: "Die App will, dass sich dieselbe Person anmeldet wie zuvor.",
  userName: "Benutzername",
  userNameHint: "Wählen Sie Ihren Passkey aus der Liste, die Ihr Browser hier anbietet, oder drücken Sie den Knopf.",
  withPasskey: "Mit Passkey anmelden",
  deny: "Nicht anmelden",
  waitingForPasskey: "Ihr Browser oder Gerät fragt jetzt nach Ihrem Passkey.",
  recording: "Ihre Anmeldung wird verzeichnet …",
  silently: (name) => `Sie werden bei ${name} angemeldet …`,
  goingBack: (place) => `Sie sind angemeldet. Zurück zu ${place} …`,
  backTitle: "Sie sind angemeldet",
  backToApp: (name) => `${name} öffnen`,
  backToAppLead: "Ihre Antwort ist bereit. Ihr Browser öffnet die App erst, wenn Sie den Knopf drücken.",
  errorBackTitle: "Sie wurden nicht angemeldet",
  errorBackLead: (name) => `${name} erfährt das, wenn Sie zurückgehen.`,
  passkeyTitle: "Der Passkey hat nicht geantwortet",
  passkey: {
    NotAllowedError: "Es wurde abgebrochen, dauerte zu lange, oder auf diesem Gerät ist kein Passkey für diese Seite.",
    SecurityError: "Unter dieser Adresse gehen keine Passkeys. Eine Anmeldeseite braucht https.",
    InvalidStateError: "Auf diesem Gerät ist schon ein Passkey für Sie.",
    NotSupportedError: "Dieses Gerät kann keinen Passkey der nötigen Art anlegen.",
    other: "Ihr Browser konnte den Passkey nicht benutzen.",
  },
  tookTooLong: "Es hat zu lange gedauert, die Anfrage ist nicht mehr frisch. Bitte versuchen Sie es noch einmal.",
  notAcceptedTitle: "Sie wurden nicht angemeldet",
  notAccepted: "Dieser Passkey konnte hier nicht benutzt werden. Sie können einen anderen versuchen.",
  refusedTitle: "Die Treuhänder haben abgelehnt",
  refusals: {
    stale_registry: "An der App oder Ihren Passkeys hat sich eben etwas geändert. Bitte versuchen Sie es noch einmal.",
    client_suspended: "Die App wurde von einem Administrator angehalten.",
    user_suspended: "Dieses Konto wurde von einem Administrator angehalten.",
    credential_revoked: "Dieser Passkey wurde angehalten. Benutzen Sie einen anderen.",
    stale_anchor: "Die Anfrage ist nicht mehr frisch. Bitte versuchen Sie es noch einmal.",
    late: "Das Signieren hat zu lange gedauert. Bitte versuchen Sie es noch einmal.",
    wrong_user: "Dieser Passkey gehört jemand anderem, als die App verlangt hat.",
  },
  refusedOther: (code) => `Sie nannten den Grund „${code}“.`,

  enrolTitle: "Ihren Passkey einrichten",
  enrolLead: (name, host) => `${name}, Sie wurden zu ${host} eingeladen.`,
  enrolAs: "Ihr Benutzername dort ist",
  enrolWhat:
    "Mit einem Passkey melden Sie sich per Fingerabdruck, Gesicht oder Geräte-PIN an. Es gibt kein Passwort. Er bleibt bei Ihrem Gerät oder Passwortmanager.",
  enrolRecorded:
    "Dass dieser Passkey Ihnen gehört, wird im öffentlichen Protokoll verzeichnet. Was davon öffentlich ist, nennt Sie nicht.",
  label: "Name dieses Passkeys",
  labelHint: "Damit Sie ihn später wiedererkennen, zum Beispiel „Handy“ oder „Blauer Schlüssel“.",
  labelDefault: "Mein Passkey",
  labelBad: "Bitte geben Sie ihm einen Namen von höchstens 64 Buchstaben.",
  makePasskey: "Passkey anlegen",
  making: "Ihr Browser oder Gerät legt jetzt den Passkey an.",
  confirmTitle: "Benutzen Sie ihn jetzt einmal",
  confirmLead:
    "Der Passkey ist angelegt. Benutzen Sie ihn einmal, damit sicher ist, dass er geht; erst dann wird er verzeichnet.",
  confirmButton: "Neuen Passkey benutzen",
  enrolling: "Ihr Passkey wird verzeichnet …",
  enrolledTitle: "Ihr Passkey ist bereit",
  enrolled: (index) => `Er steht im öffentlichen Protokoll als Eintrag ${index}.`,
  toAccount: "Zu Ihrem Konto",
  invitationIncomplete:
    "Dieser Link ist nicht vollständig. Kopieren Sie den ganzen Link aus Ihrer Einladung, mit allem hinter dem #-Zeichen.",
  invitationGone:
    "Diese Einladung wurde schon benutzt oder zurückgezogen. Bitten Sie die Person, die Sie eingeladen hat, um eine neue.",
  invitationExpired: "Diese Einladung ist abgelaufen. Bitten Sie die Person, die Sie eingeladen hat, um eine neue.",
  invitationTitle: "Diese Einladung kann nicht benutzt werden",

  accountTitle: "Ihr Konto",
  accountLead: "Sehen Sie Ihre Passkeys und jedes Token, das je auf Ihren Namen ausgestellt wurde.",
  accountSignIn: "Anmelden",
  accountSigningIn: "Sie werden angemeldet …",
  accountNotSignedIn: "Sie wurden nicht angemeldet.",
  accountBadReturn:
    "Die Antwort gehört zu keiner Anmeldung, die diese Seite begonnen hat. Bitte melden Sie sich neu an.",
  accountExpired: "Zu Ihrer Sicherheit ist diese Seite nur einige Minuten offen. Bitte melden Sie sich neu an.",
  signedInAs: "Angemeldet als",
  signOut: "Abmelden",
  passkeysTitle: "Ihre Passkeys",
  passkeyAdded: "Hinzugefügt",
  passkeyEntry: (index) => `Protokolleintrag ${index}`,
  passkeyRevoked: "Widerrufen",
  passkeyInUse: "Für diesen Besuch benutzt",
  passkeyUnnamed: "Passkey ohne Namen",
  addPasskey: "Passkey hinzufügen",
  addTitle: "Einen Passkey hinzufügen",
  addLead:
    "Drei Schritte: den neuen Passkey anlegen, ihn einmal benutzen, und mit dem zustimmen, mit dem Sie sich angemeldet haben.",
  addAgreeTitle: "Stimmen Sie jetzt mit dem Passkey zu, den Sie haben",
  addAgreeLead: "Niemand kann Ihrem Konto einen Passkey hinzufügen ohne einen, der schon Ihnen gehört.",
  addAgree: "Mit meinem Passkey zustimmen",
  addedNews: (index) => `Der Passkey wurde hinzugefügt, als Protokolleintrag ${index}.`,
  cancel: "Abbrechen",
  tokensTitle: "Ihre Token",
  tokensLead:
    "Jedes Token, das je auf Ihren Namen ausgestellt wurde, steht im öffentlichen Protokoll. Diese Seite durchsucht es selbst und prüft jeden Eintrag; das Gateway kann keinen verbergen.",
  tokensNone: "Bisher wurde kein Token gefunden.",
  tokensNoKey:
    "Ihr Passkey hat den Schlüssel zu Ihren Einträgen nicht herausgegeben, darum kann diese Seite sie nicht suchen. Melden Sie sich neu an, wenn möglich mit einem anderen Passkey.",
  searching: "Das Protokoll wird durchsucht …",
  searched: (looked, all) => `${looked} von ${all} Einträgen durchsucht.`,
  searchedAll: (all) => `Das ganze Protokoll wurde durchsucht und geprüft: ${all} Einträge.`,
  searchedBack: "Vollständig zurück bis",
  searchedUpTo: "Der neueste Eintrag ist von",
  lagging: (entries) =>
    `Das veröffentlichte Protokoll ist ${entries} Einträge hinter dem signierten zurück; die neuesten Token fehlen vielleicht noch. Laden Sie diese Seite gleich noch einmal.`,
  further: "Weiter zurück suchen",
  searchFailed: "Die Suche hielt an: Ein Teil des Protokolls fehlt oder passt nicht zu seiner Signatur.",
  group: {
    first: "Angemeldet",
    latest: "Letztes Token",
    passkey: "mit einem Passkey",
    session: "ohne Tippen, aus einer Sitzung",
    other: "auf andere Weise",
  },
  renewals: (count) => (count === 1 ? "1 Token" : `${count} Token`),
  accessToken: "Zugangstoken",
  idToken: "ID-Token",
  tokenFor: "für",
  tokenScope: "darf",
  tokenUntil: "gültig bis",
  proof: "Beweis herunterladen",
  proofOf: (index) => `Beweis herunterladen: Protokolleintrag ${index}`,
  notMe: "Das war ich nicht",
  notMeOf: (app) => `Das war ich nicht: ${app}`,
  notMeTitle: (app) => `Diese Anmeldung bei ${app} stoppen?`,
  notMeLead:
    "Ihr Passkey unterschreibt den Auftrag. Er stoppt das Token und seine Sitzung für alle, die beim Aussteller nachfragen; Apps, die nie nachfragen, nehmen es vielleicht noch ein paar Minuten an.",
  notMeButton: "Mit meinem Passkey stoppen",
  notMeDone: (index) => `Gestoppt. Der Auftrag ist Protokolleintrag ${index}.`,
  stopped: "Gestoppt",
  thisBrowser: "Dieser Browser",
  leftOutTitle: "Vom Gateway ausgelassen",
  leftOutLead:
    "Diese Einträge gehören Ihnen: Sie stehen im öffentlichen Protokoll. Das Gateway hat aber nicht herausgegeben, was sie sagen, oder es ist nicht das, was protokolliert wurde. Das darf nicht vorkommen; sagen Sie es den Betreibern.",
  leftOut: (index) => `Protokolleintrag ${index}`,
  otherTitle: "Weitere Einträge von Ihnen",
  entryTypes: {
    enrolment: "Passkey hinzugefügt",
    revocation: "Etwas wurde gestoppt",
    token: "Token",
  },

  logoutTitle: "Abmelden",
  logoutAsk: "Möchten Sie sich in diesem Browser bei diesem Aussteller abmelden?",
  logoutAskApp: (name) => `${name} bittet Sie, sich in diesem Browser bei diesem Aussteller abzumelden.`,
  logoutButton: "Abmelden",
  logoutStay: "Angemeldet bleiben",
  loggedOutTitle: "Sie sind abgemeldet",
  loggedOutLead:
    "Dieser Browser meldet Sie nicht mehr ohne Tippen an. Apps, bei denen Sie angemeldet sind, lassen Sie vielleicht angemeldet, bis Sie sich dort abmelden.",
  stayedTitle: "Sie sind weiter angemeldet",
  logoutGoing: (place) => `Sie sind abgemeldet. Zurück zu ${place} …`,
  logoutBad: {
    hint: "Die App hat den Nachweis einer Anmeldung übergeben, den dieser Aussteller nicht gegeben hat.",
    client: "Die App ist nicht die, für die die Anmeldung war, oder nicht registriert.",
    address: "Die App will Sie an eine Adresse schicken, die für sie nicht registriert ist.",
  },
  logoutBadAfter: "Diese Seite geht nicht dorthin. Abmelden können Sie sich trotzdem.",

  indexWhat: (host) => `Das ist ${host}, ein Aussteller von Anmeldungen ohne Generalschlüssel`,
  indexHow: (threshold, custodians) =>
    `${threshold} von ${custodians} Treuhändern prüfen jeder für sich den Nachweis hinter jedem Token, verzeichnen es in einem öffentlichen Protokoll und signieren erst dann gemeinsam.`,
  indexHowUnknown:
    "Mehrere Treuhänder prüfen jeder für sich den Nachweis hinter jedem Token, verzeichnen es in einem öffentlichen Protokoll und signieren erst dann gemeinsam.",
  indexWhy:
    "Wer eine einzelne Maschine übernimmt, kann kein Token ausstellen, und Sie können jedes Token auflisten, das je auf Ihren Namen ausgestellt wurde.",
  indexDemo: "Dies ist eine Vorführung: Alle Treuhänder laufen auf einer Maschine, sind also nicht unabhängig.",
  indexAccount: "Ihr Konto und Ihre Token",
  indexState: "Zustand",
  indexChecked: "Von dieser Seite geprüft",
  indexCheckpoint: (size) => `Das signierte Protokoll hat ${size} Einträge. Der neueste ist von`,
  indexUnchecked: "Ein signiertes Protokoll war gerade nicht zu bekommen oder nicht zu prüfen.",
  indexSaid: "Was das Gateway über die Treuhänder sagt; nichts beweist es",
  indexSaidNothing:
    "Das Gateway sagt nicht, wie es den Treuhändern geht. Das ist weder gut noch schlecht: Es ist unbekannt.",
  indexQuorum: (voting, threshold) =>
    voting >= threshold
      ? `${voting} Treuhänder stimmen ab; ${threshold} sind nötig.`
      : `Nur ${voting} Treuhänder stimmen ab, und ${threshold} sind nötig: Zurzeit kann nichts signiert werden.`,
  custodian: "Treuhänder",
  standing: "Stand",
  lastSeen: "Zuletzt gehört",
  standings: {
    voting: "stimmt ab",
    following: "folgt, stimmt nicht ab",
    joining: "kommt dazu",
    amnesic: "hat sein Gedächtnis verloren, stimmt nie mehr ab",
    new: "neu",
  },
  notLinked: "nicht verbunden",
  standingUnknown: "unbekannt",
  never: "nie",
  secondsAgo: (seconds) => (seconds < 2 ? "gerade eben" : `vor ${seconds} Sekunden`),
  indexForMachines: "Für Software",
  discovery: "Discovery-Dokument",
  keySet: "Schlüsselsatz",
  policyFile: "Protokoll-Policy",
  checkpointFile: "Neuester Checkpoint",
};

/**
 * The words in the first language that is asked for and that there is; English otherwise. The locale, for times and numbers, is the
 * tag that was asked for.
 * @param {...readonly string[]} wishes lists of language tags, the most important first
 * @returns {{ words: Words, locale: string }}
 */
export function chooseWords(...wishes) {
  for (const tag of wishes.flat()) {
    const words = { en: ENGLISH, de: GERMAN }[/^(en|de)(-[A-Za-z0-9]{2,8})*$/i.exec(tag)?.[1]?.toLowerCase() ?? ""];
    if (words !== undefined) return { words, locale: isLocale(tag) ? tag : words.language };
  }
  return { words: ENGLISH, locale: ENGLISH.language };
}

/** @param {string} tag */
function isLocale(tag) {
  try {
    return Intl.DateTimeFormat.supportedLocalesOf(tag).length > 0;
  } catch {
    return false;
  }
}

//! The pages: plain files, embedded as they stand in `web/site`, and the headers that any host must send with them.

use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA256, SHA384, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use include_dir::{Dir, DirEntry, include_dir};
use serde_json::{Value, json};
use std::collections::BTreeMap;

static PAGES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../web/site");

/// Where a page takes its import map.
const IMPORT_MAP: &str = "<!-- importmap -->";
/// Where the browser may post an authorization response (`response_mode=form_post`): what redirect URIs may be.
const FORM_TARGETS: &str = "https: http://localhost:* http://127.0.0.1:*";

/// A file of the site.
#[derive(Debug, Clone)]
pub struct Page {
    /// Path below the site's root.
    pub path: String,
    /// Contents.
    pub bytes: Vec<u8>,
}

/// All files, the pages with an import map that pins every module by its hash: what a page loads is what was exported with it.
pub fn all() -> Result<Vec<Page>> {
    let mut files = BTreeMap::new();
    collect(&PAGES, &mut files);
    let map = import_map(&files);
    files
        .into_iter()
        .map(|(path, bytes)| {
            let bytes = if path.ends_with(".html") {
                let text = std::str::from_utf8(bytes).context("a page is not UTF-8")?;
                text.replace(IMPORT_MAP, &format!("<script type=\"importmap\">{map}</script>"))
                    .into_bytes()
            } else {
                bytes.to_vec()
            };
            Ok(Page { path, bytes })
        })
        .collect()
}

/// One module or style sheet as it is embedded.
pub fn file(path: &str) -> Option<&'static [u8]> {
    PAGES.get_file(path).map(include_dir::File::contents)
}

fn collect(dir: &Dir<'static>, files: &mut BTreeMap<String, &'static [u8]>) {
    for entry in dir.entries() {
        match entry {
            DirEntry::Dir(dir) => collect(dir, files),
            DirEntry::File(file) => {
                files.insert(file.path().to_string_lossy().into_owned(), file.contents());
            }
        }
    }
}

fn import_map(files: &BTreeMap<String, &'static [u8]>) -> String {
    let integrity: serde_json::Map<String, Value> = files
        .iter()
        .filter(|(path, _)| path.ends_with(".js"))
        .map(|(path, bytes)| {
            let hash = STANDARD.encode(digest(&SHA384, bytes));
            (format!("/{path}"), format!("sha384-{hash}").into())
        })
        .collect();
    json!({ "integrity": integrity }).to_string()
}

/// Headers of every file of the site.
pub const HEADERS: [(&str, &str); 6] = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "cross-origin"),
    ("Access-Control-Allow-Origin", "*"),
    (
        "Permissions-Policy",
        "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), geolocation=(), microphone=()",
    ),
];

/// Content security policy of a page: its own files, its own import map by hash, and the gateway; nothing else, and no strings into the
/// document.
pub fn content_security_policy(html: &str, gateway: &str) -> String {
    let scripts: String = inline_scripts(html)
        .map(|script| format!(" 'sha256-{}'", STANDARD.encode(digest(&SHA256, script.as_bytes()))))
        .collect();
    format!(
        "default-src 'none'; script-src 'self'{scripts}; style-src 'self'; img-src 'self'; connect-src 'self' {gateway}; \
         form-action {FORM_TARGETS}; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

/// Contents of the scripts that stand in the page itself.
fn inline_scripts(html: &str) -> impl Iterator<Item = &str> {
    html.split("<script").skip(1).filter_map(|rest| {
        let (attributes, rest) = rest.split_once('>')?;
        let (script, _) = rest.split_once("</script>")?;
        (!attributes.contains("src=")).then_some(script)
    })
}

/// Policy of files that are no pages.
pub const NO_DOCUMENT: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";

/// Configuration of a static host, ready to include in the `server` block or site of the issuer's name.
pub fn nginx(root: &str, csp: &str) -> String {
    let headers: String = HEADERS
        .iter()
        .map(|(name, value)| format!("add_header {name} \"{value}\" always;\n"))
        .collect();
    format!(
        "# Issuer site of Quorate. Include this in the server block of the issuer's own host name, which serves nothing else.\n\
         root {root};\n\
         index index.html;\n\
         charset utf-8;\n\
         types {{\n    text/html html;\n    text/javascript js;\n    text/css css;\n    image/svg+xml svg;\n    application/json json;\n}}\n\
         default_type text/plain;\n\
         {headers}\
         add_header Cache-Control \"no-cache\" always;\n\
         add_header Strict-Transport-Security \"max-age=31536000\" always;\n\
         add_header Content-Security-Policy \"{csp}\" always;\n\
         location / {{ try_files $uri $uri.html $uri/index.html =404; }}\n\
         location = /.well-known/openid-configuration {{ default_type application/json; }}\n\
         location = /.well-known/oauth-authorization-server {{ default_type application/json; }}\n"
    )
}

/// The same for Caddy.
pub fn caddy(root: &str, csp: &str) -> String {
    let headers: String = HEADERS
        .iter()
        .map(|(name, value)| format!("    {name} \"{value}\"\n"))
        .collect();
    format!(
        "# Issuer site of Quorate. Import this in the site block of the issuer's own host name, which serves nothing else.\n\
         root * {root}\n\
         header {{\n{headers}    Cache-Control \"no-cache\"\n    Strict-Transport-Security \"max-age=31536000\"\n\
         \x20   Content-Security-Policy \"{csp}\"\n}}\n\
         @json path /.well-known/openid-configuration /.well-known/oauth-authorization-server\n\
         header @json Content-Type application/json\n\
         try_files {{path}} {{path}}.html {{path}}/index.html\n\
         file_server\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_pins_its_modules_and_allows_nothing_else_inline() {
        let pages = all().unwrap();
        let html: Vec<_> = pages.iter().filter(|page| page.path.ends_with(".html")).collect();
        assert!(html.len() >= 5, "{}", html.len());
        let modules = pages.iter().filter(|page| page.path.ends_with(".js")).count();
        for page in html {
            let text = std::str::from_utf8(&page.bytes).unwrap();
            assert!(!text.contains(IMPORT_MAP), "{}", page.path);
            let inline: Vec<&str> = inline_scripts(text).collect();
            assert_eq!(inline.len(), 1, "{}", page.path);
            let map: Value = serde_json::from_str(inline[0]).unwrap();
            assert_eq!(map["integrity"].as_object().unwrap().len(), modules);
            let handler = text
                .split_ascii_whitespace()
                .find(|word| word.starts_with("on") && word.contains('='));
            assert!(
                !text.contains(" style=") && handler.is_none(),
                "{}: {handler:?}",
                page.path
            );
            let csp = content_security_policy(text, "https://gw.example");
            assert!(
                csp.contains("script-src 'self' 'sha256-") && !csp.contains("unsafe"),
                "{csp}"
            );
        }
    }
}

//! The operator impls that the curve traits want for values and references, from one function each.

/// `Add`, `Sub` or `Mul` for `$left op $right`, by value and by reference, from `fn(&$left, &$right) -> $output`.
macro_rules! binary {
    ($trait:ident, $method:ident, $left:ty, $right:ty, $output:ty, $function:expr) => {
        impl core::ops::$trait<$right> for $left {
            type Output = $output;
            #[inline]
            fn $method(self, right: $right) -> $output {
                $function(&self, &right)
            }
        }
        impl core::ops::$trait<&$right> for $left {
            type Output = $output;
            #[inline]
            fn $method(self, right: &$right) -> $output {
                $function(&self, right)
            }
        }
        impl core::ops::$trait<$right> for &$left {
            type Output = $output;
            #[inline]
            fn $method(self, right: $right) -> $output {
                $function(self, &right)
            }
        }
        impl core::ops::$trait<&$right> for &$left {
            type Output = $output;
            #[inline]
            fn $method(self, right: &$right) -> $output {
                $function(self, right)
            }
        }
    };
}

/// [`binary`] and the assigning operator with it, for operators that stay in `$left`.
macro_rules! assigning {
    ($trait:ident, $method:ident, $assign:ident, $assign_method:ident, $left:ty, $right:ty, $function:expr) => {
        $crate::fast_p256::ops::binary!($trait, $method, $left, $right, $left, $function);
        impl core::ops::$assign<$right> for $left {
            #[inline]
            fn $assign_method(&mut self, right: $right) {
                *self = $function(self, &right);
            }
        }
        impl core::ops::$assign<&$right> for $left {
            #[inline]
            fn $assign_method(&mut self, right: &$right) {
                *self = $function(self, right);
            }
        }
    };
}

/// `MulVartime` of a point by a scalar, which only permits to be faster than `Mul`: the backend multiplies in constant time.
macro_rules! vartime {
    ($point:ty, $function:expr) => {
        impl elliptic_curve::ops::MulVartime<Scalar> for $point {
            fn mul_vartime(self, scalar: Scalar) -> ProjectivePoint {
                $function(&self, &scalar)
            }
        }
        impl elliptic_curve::ops::MulVartime<&Scalar> for $point {
            fn mul_vartime(self, scalar: &Scalar) -> ProjectivePoint {
                $function(&self, scalar)
            }
        }
    };
}

/// `Neg`, by value and by reference, from `fn(&$of) -> $of`.
macro_rules! negation {
    ($of:ty, $function:expr) => {
        impl core::ops::Neg for $of {
            type Output = $of;
            #[inline]
            fn neg(self) -> $of {
                $function(&self)
            }
        }
        impl core::ops::Neg for &$of {
            type Output = $of;
            #[inline]
            fn neg(self) -> $of {
                $function(self)
            }
        }
    };
}

/// `Sum` or `Product` over values and references, from the operator's neutral element.
macro_rules! folding {
    ($trait:ident, $method:ident, $of:ty, $neutral:expr, $operator:expr) => {
        impl core::iter::$trait for $of {
            fn $method<I: Iterator<Item = Self>>(items: I) -> Self {
                items.fold($neutral, $operator)
            }
        }
        impl<'a> core::iter::$trait<&'a $of> for $of {
            fn $method<I: Iterator<Item = &'a $of>>(items: I) -> Self {
                items.copied().fold($neutral, $operator)
            }
        }
    };
}

/// The reference library wants equality and selection in two generations of constant-time traits; the second follows the first.
macro_rules! constant_time {
    ($of:ty) => {
        impl elliptic_curve::ctutils::CtEq for $of {
            fn ct_eq(&self, other: &Self) -> elliptic_curve::ctutils::Choice {
                elliptic_curve::subtle::ConstantTimeEq::ct_eq(self, other).into()
            }
        }
        impl elliptic_curve::ctutils::CtSelect for $of {
            fn ct_select(&self, other: &Self, choice: elliptic_curve::ctutils::Choice) -> Self {
                elliptic_curve::subtle::ConditionallySelectable::conditional_select(self, other, choice.into())
            }
        }
        impl PartialEq for $of {
            fn eq(&self, other: &Self) -> bool {
                elliptic_curve::subtle::ConstantTimeEq::ct_eq(self, other).into()
            }
        }
        impl Eq for $of {}
    };
}

pub(super) use {assigning, binary, constant_time, folding, negation, vartime};

//! How the pages look and speak, without a fork: name, logo, colours, links, language.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oauth_types::SecretHash;
use url::Url;

use crate::texts::Texts;

const STYLE: &str = include_str!("../templates/style.css");
/// The text on the accent colour, and the card that links in that colour stand on; see `style.css`.
const LIGHT: [(&str, Colour); 1] = [("on white", Colour([0xff, 0xff, 0xff]))];
const DARK: [(&str, Colour); 2] = [
    ("under the text of buttons", Colour([0x0b, 0x0e, 0x14])),
    ("on the dark card", Colour([0x1b, 0x20, 0x29])),
];
/// What WCAG 2.2 §1.4.3 asks of text.
const ENOUGH: f64 = 4.5;
/// Bytes of a logo: every page carries it.
const LARGEST_LOGO: usize = 32 * 1024;

/// How the pages look and speak. Made once, at the start; what cannot be shown well is refused
/// there.
///
/// ```
/// use oauth_ui::{Logo, Texts, Theme};
///
/// let mut texts = Texts::default();
/// texts.lang = "de".into();
/// texts.sign_in = "Anmelden".into();
/// texts.consent_heading = "Darf {client} für dich handeln?".into();
///
/// let theme = Theme::new()
///     .named("Notes")
///     .logo(Logo::svg("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'/>")?)
///     .accent("#00695c", "#80cbc4")?
///     .link("Terms", "https://notes.example/terms")?
///     .texts(texts)?;
/// # Ok::<(), oauth_ui::ThemeError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Theme {
    pub(crate) product: Option<String>,
    pub(crate) logo: Option<Logo>,
    pub(crate) links: Vec<Link>,
    pub(crate) texts: Texts,
    pub(crate) style: String,
    /// Digest of the style, which alone lets it through the content security policy.
    pub(crate) style_hash: String,
}

/// A link at the foot of every page.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) text: String,
    pub(crate) to: String,
}

/// A picture shown in place of the product's name. It lies in the page itself: nothing is fetched.
#[derive(Debug, Clone)]
pub struct Logo(pub(crate) String);

/// A theme that cannot be shown, or not well.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ThemeError {
    /// Not a colour as `#rrggbb`.
    #[error("a colour is written as #rrggbb")]
    Colour,
    /// Text and links in that colour could not be read.
    #[error("the accent colour {colour} has a contrast of {ratio:.2} {against}; it needs 4.5")]
    Contrast {
        /// The colour.
        colour: String,
        /// Against what.
        against: &'static str,
        /// Its contrast there, of 1 to 21.
        ratio: f64,
    },
    /// Not an SVG document or a PNG image, or of more than 32 KiB.
    #[error("a logo is an SVG document or a PNG image of at most 32 KiB")]
    Logo,
    /// Not an https address, or without words.
    #[error("a link has words and an https address")]
    Link,
    /// Not a language tag.
    #[error("the language is a tag such as en or pt-BR")]
    Language,
    /// A sentence without its placeholders, or with others.
    #[error("the sentence `{name}` does not hold the placeholders that its English has")]
    Sentence {
        /// Its name in [`Texts`].
        name: &'static str,
    },
}

impl Theme {
    /// As the pages are without one: no name, English, blue.
    pub fn new() -> Self {
        Self {
            product: None,
            logo: None,
            links: Vec::new(),
            texts: Texts::default(),
            style: STYLE.to_owned(),
            style_hash: digest(STYLE),
        }
    }

    /// Says on every page whose it is.
    #[must_use]
    pub fn named(mut self, product: impl Into<String>) -> Self {
        self.product = Some(product.into());
        self
    }

    /// Shows a picture where the name would stand; the name is then what is read out for it.
    #[must_use]
    pub fn logo(mut self, logo: Logo) -> Self {
        self.logo = Some(logo);
        self
    }

    /// Colours of buttons and links, as `#rrggbb`: one on a light ground, where text on it is white,
    /// and one on a dark ground, where text on it is nearly black.
    ///
    /// # Errors
    /// [`ThemeError::Colour`]; [`ThemeError::Contrast`] when text could not be read.
    pub fn accent(mut self, light: &str, dark: &str) -> Result<Self, ThemeError> {
        readable(light, &LIGHT)?;
        readable(dark, &DARK)?;
        self.style = format!(
            "{STYLE}:root{{--accent:{light}}}\n@media (prefers-color-scheme:dark){{:root{{--accent:{dark}}}}}\n"
        );
        self.style_hash = digest(&self.style);
        Ok(self)
    }

    /// Adds a link at the foot of every page: terms, privacy.
    ///
    /// # Errors
    /// [`ThemeError::Link`].
    pub fn link(mut self, text: impl Into<String>, to: &str) -> Result<Self, ThemeError> {
        let url = Url::parse(to).map_err(|_| ThemeError::Link)?;
        let text = text.into();
        if url.scheme() != "https" || !url.username().is_empty() || text.trim().is_empty() {
            return Err(ThemeError::Link);
        }
        let to = String::from(url);
        self.links.push(Link { text, to });
        Ok(self)
    }

    /// Speaks so.
    ///
    /// # Errors
    /// [`ThemeError::Language`] and [`ThemeError::Sentence`].
    pub fn texts(mut self, texts: Texts) -> Result<Self, ThemeError> {
        texts.check()?;
        self.texts = texts;
        Ok(self)
    }
}

impl Default for Theme {
    fn default() -> Self {
        Self::new()
    }
}

impl Logo {
    /// An SVG document. Browsers show it as a picture: no script in it runs and nothing is fetched.
    /// It may have colours of its own for `prefers-color-scheme`.
    ///
    /// # Errors
    /// [`ThemeError::Logo`].
    pub fn svg(document: &str) -> Result<Self, ThemeError> {
        let text = document.trim_start_matches('\u{feff}').trim();
        let is_svg =
            text.starts_with("<svg") || (text.starts_with("<?xml") && text.contains("<svg"));
        Self::of("image/svg+xml", text.as_bytes(), is_svg)
    }

    /// A PNG image.
    ///
    /// # Errors
    /// [`ThemeError::Logo`].
    pub fn png(image: &[u8]) -> Result<Self, ThemeError> {
        Self::of("image/png", image, image.starts_with(b"\x89PNG\r\n\x1a\n"))
    }

    fn of(media_type: &str, bytes: &[u8], is_one: bool) -> Result<Self, ThemeError> {
        if !is_one || bytes.len() > LARGEST_LOGO {
            return Err(ThemeError::Logo);
        }
        Ok(Self(format!(
            "data:{media_type};base64,{}",
            STANDARD.encode(bytes)
        )))
    }
}

/// The theme of pages that have none.
pub(crate) static PLAIN: LazyLock<Theme> = LazyLock::new(Theme::new);

fn digest(style: &str) -> String {
    let hash = SecretHash::of(style.as_bytes());
    format!("sha256-{}", STANDARD.encode(hash.as_bytes()))
}

fn readable(colour: &str, against: &[(&'static str, Colour)]) -> Result<(), ThemeError> {
    let own = Colour::parse(colour).ok_or(ThemeError::Colour)?;
    for (against, other) in against {
        let ratio = own.contrast(*other);
        if ratio < ENOUGH {
            let colour = colour.to_owned();
            return Err(ThemeError::Contrast {
                colour,
                against,
                ratio,
            });
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Colour([u8; 3]);

impl Colour {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| {
            digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        })?;
        let number = u32::from_str_radix(digits, 16).ok()?;
        let [_, red, green, blue] = number.to_be_bytes();
        Some(Self([red, green, blue]))
    }

    /// Spec: WCAG 2.2, relative luminance.
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|channel| {
            let part = f64::from(channel) / 255.0;
            if part <= 0.040_45 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// Spec: WCAG 2.2, contrast ratio.
    fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance() + 0.05, other.luminance() + 0.05);
        one.max(two) / one.min(two)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_what_wcag_says() {
        let contrast = |a, b| {
            let (a, b) = (Colour::parse(a).unwrap(), Colour::parse(b).unwrap());
            (a.contrast(b) * 100.0).round() / 100.0
        };
        assert_eq!(contrast("#000000", "#ffffff"), 21.0);
        assert_eq!(contrast("#777777", "#ffffff"), 4.48);
        assert_eq!(contrast("#767676", "#FFFFFF"), 4.54);
    }

    /// The colours that these pages have without a theme keep the rule that a theme must keep, and
    /// the rule speaks of the style's own colours.
    #[test]
    fn the_rule_is_about_the_style() {
        let light = "--card:#fff;";
        for part in [
            light,
            "--on-accent:#fff;",
            "--card:#1b2029;",
            "--on-accent:#0b0e14;",
        ] {
            assert!(STYLE.contains(part), "{part}");
        }
        let mut accents = STYLE.split("--accent:").skip(1);
        let mut accent = || accents.next().unwrap()[..7].to_owned();
        Theme::new().accent(&accent(), &accent()).unwrap();
    }

    #[test]
    fn colours_that_cannot_be_read_are_refused() {
        let theme = |light, dark| Theme::new().accent(light, dark).map(drop);
        theme("#00695c", "#80cbc4").unwrap();
        for (light, dark) in [("#767676", "#80cbc4"), ("#757575", "#888888")] {
            theme(light, dark).unwrap();
        }
        for (light, dark) in [("#777777", "#80cbc4"), ("#00695c", "#00695c")] {
            let refused = theme(light, dark);
            assert!(matches!(refused, Err(ThemeError::Contrast { .. })));
        }
        for colour in ["", "red", "#fff", "#00695c;}", "00695c0", "#00695\u{e4}"] {
            assert_eq!(theme(colour, "#80cbc4"), Err(ThemeError::Colour));
        }
    }

    #[test]
    fn links_lead_to_https_and_logos_are_small_pictures() {
        for (text, to, fits) in [
            ("Terms", "https://notes.example/terms", true),
            ("Terms", "http://notes.example/terms", false),
            ("Terms", "javascript:alert(1)", false),
            ("Terms", "/terms", false),
            ("Terms", "https://a@notes.example/", false),
            (" ", "https://notes.example/terms", false),
        ] {
            assert_eq!(Theme::new().link(text, to).is_ok(), fits, "{to}");
        }
        assert!(Logo::svg("<?xml version=\"1.0\"?>\n<svg/>").is_ok());
        assert!(Logo::svg("<p>").is_err());
        assert!(Logo::png(b"\x89PNG\r\n\x1a\n...").is_ok());
        assert!(Logo::png(b"GIF89a").is_err());
        let large = format!("<svg>{}</svg>", " ".repeat(LARGEST_LOGO));
        assert!(Logo::svg(&large).is_err());
    }
}

//! How the pages look, from flags.

use std::error::Error;
use std::path::PathBuf;

use oauth_ui::{Logo, Theme};

/// How the pages look.
#[derive(Debug, clap::Args)]
pub(crate) struct Look {
    /// Whose pages these are, on every page.
    #[arg(long, value_name = "NAME")]
    product: Option<String>,
    /// A picture in place of the name: an SVG or PNG file.
    #[arg(long, value_name = "FILE")]
    logo: Option<PathBuf>,
    /// Colours of buttons on a light and on a dark ground, such as #00695c,#80cbc4.
    #[arg(long, value_name = "LIGHT,DARK", value_parser = pair)]
    accent: Option<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (light, dark) = text.split_once(',').ok_or("two colours and a comma")?;
    Ok((light.to_owned(), dark.to_owned()))
}

impl Look {
    /// The theme that the flags describe.
    pub(crate) fn theme(&self) -> Result<Theme, Box<dyn Error>> {
        let mut theme = Theme::new();
        if let Some(product) = &self.product {
            theme = theme.named(product);
        }
        if let Some(file) = &self.logo {
            let bytes = std::fs::read(file)?;
            let logo = match std::str::from_utf8(&bytes) {
                Ok(text) => Logo::svg(text)?,
                Err(_) => Logo::png(&bytes)?,
            };
            theme = theme.logo(logo);
        }
        if let Some((light, dark)) = &self.accent {
            theme = theme.accent(light, dark)?;
        }
        Ok(theme)
    }
}

//! Verdicts as text, tables, figures and a page: pure functions of the records in `upturn-types`.
//!
//! Nothing here reads a file, a clock or the environment: the same analysis gives the
//! same bytes. Texts from data are hostile until shown otherwise: terminals get no
//! control characters, pages and figures no markup from them.

mod chain;
mod citation;
mod curve;
mod error;
mod facts;
mod families;
mod figure;
mod font;
mod forecast_figure;
mod html;
mod html_questions;
mod names;
mod numbers;
mod page_plot;
mod palette;
mod plot;
mod questions;
mod scene;
mod sections;
mod terminal;
mod words;

pub use citation::citation;
pub use error::ReportError;
pub use figure::{FigureOptions, figure_png, figure_svg};
pub use forecast_figure::forecast_svg;
pub use html::{HtmlOptions, html};
pub use sections::Section;
pub use terminal::forecast;
pub use terminal::{TextOptions, agreement, explain, plan, section, summary};

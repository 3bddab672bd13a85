//! `report.html`: one file without scripts, fonts or anything else from elsewhere.
//!
//! The charts are drawn by the templates here. `plotters` was looked at first: its SVG backend writes colours as numbers,
//! so that a chart cannot follow the reader's light or dark theme; it places everything in whole pixels of one size, so
//! that its texts shrink with the picture on a phone; and it has no titles for readers who do not see it. Here places are
//! percentages and texts stay as large as the text around them.

mod bars;
mod curves;
mod figures;
mod scale;

use anyhow::{Context, Result};
use askama::Template;

use super::{Chart, Report, Section, Table};
use bars::BarsView;
use curves::CurvesView;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    style: &'static str,
    kept: usize,
    budgets: usize,
    missed: Vec<Missed<'a>>,
    sections: Vec<SectionView<'a>>,
}

/// A budget that is not kept.
struct Missed<'a> {
    section: &'a str,
    what: &'a str,
}

struct SectionView<'a> {
    section: &'a Section,
    charts: Vec<ChartView>,
    /// In what it is not of the same run as the newest.
    caveats: Vec<String>,
    kept: usize,
}

enum ChartView {
    Bars(BarsView),
    Curves(CurvesView),
}

/// The whole page.
pub(super) fn render(report: &Report) -> Result<String> {
    let (kept, budgets) = report.kept();
    let missed = report.sections.iter().flat_map(|section| {
        let missed = section.verdicts.iter().filter(|verdict| !verdict.is_kept);
        missed.map(|verdict| Missed {
            section: &section.name,
            what: &verdict.what,
        })
    });
    let page = Page {
        report,
        style: include_str!("style.css"),
        kept,
        budgets,
        missed: missed.collect(),
        sections: report
            .sections
            .iter()
            .map(|section| SectionView::new(section, report))
            .collect(),
    };
    page.render().context("the page cannot be rendered")
}

impl<'a> SectionView<'a> {
    fn new(section: &'a Section, report: &Report) -> Self {
        let charts = section.charts.iter().map(|chart| match chart {
            Chart::Bars { title, unit, bars } => ChartView::Bars(BarsView::new(title, unit, bars)),
            Chart::Curves {
                title,
                x,
                y,
                curves,
            } => ChartView::Curves(CurvesView::new(title, x, y, curves)),
        });
        Self {
            section,
            charts: charts.collect(),
            caveats: report.caveats(section),
            kept: section
                .verdicts
                .iter()
                .filter(|verdict| verdict.is_kept)
                .count(),
        }
    }
}

impl Table {
    /// How wide it is: what is wider than a phone can be moved sideways.
    fn is_wide(&self) -> bool {
        self.columns.len() > 3
    }
}

/// `2026-11-30T11:41:13Z` as people read it.
fn when(time: &str) -> String {
    match time.trim_end_matches('Z').split_once('T') {
        Some((date, time)) => {
            let minutes = time.rsplit_once(':').map_or(time, |(minutes, _)| minutes);
            format!("{date}, {minutes} UTC")
        }
        None => time.to_owned(),
    }
}

#[cfg(test)]
mod tests;

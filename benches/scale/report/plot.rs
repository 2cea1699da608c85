//! The results as an SVG: rates and memory over the number of resources.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::peers::PEERS;
use crate::figures::{Figure, Size};

const WIDTH: u32 = 960;
const HEIGHT: u32 = 420;

/// Share of the height of a panel that the legend needs above the largest value.
const ROOM_FOR_LEGEND: f64 = 1.5;

/// A line: its name, its color, and a value for each number of resources.
struct Line {
    name: &'static str,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

const BLUE: RGBColor = RGBColor(0, 90, 181);
const ORANGE: RGBColor = RGBColor(214, 110, 0);
const GREEN: RGBColor = RGBColor(0, 128, 96);
const GRAY: RGBColor = RGBColor(110, 110, 110);

/// Draws both panels.
pub fn draw(file: &Path, sizes: &[Size]) -> Result<()> {
    let root = SVGBackend::new(file, (WIDTH, HEIGHT)).into_drawing_area();
    let drawn = || -> Result<(), Box<dyn std::error::Error>> {
        root.fill(&WHITE)?;
        let (left, right) = root.split_horizontally(WIDTH / 2);
        let line = |name, color, figure: Figure| {
            let value = |size: &Size| Some((f64::from(size.resources), size.median.get(figure)?));
            Line { name, color, points: sizes.iter().filter_map(value).collect() }
        };
        let rates = [
            line("bare floor", GRAY, Figure::BareFloorRate),
            line("API floor", ORANGE, Figure::ApiFloorRate),
            line("operator, first start", BLUE, Figure::StartRate),
            line("operator, rotations", GREEN, Figure::RotationRate),
        ];
        let memory = [
            line("peak", BLUE, Figure::PeakMemory),
            line("all Ready", GREEN, Figure::SteadyMemory),
            line("peak of a restart", ORANGE, Figure::RestartMemory),
        ];
        let peers = |value: fn(&super::Peer) -> u32| {
            // The loop is the bare floor of that run.
            let programs = PEERS.iter().take(2);
            programs
                .map(|peer| (peer.name, f64::from(peer.credentials), f64::from(value(peer))))
                .collect::<Vec<_>>()
        };
        panel(&left, "Credentials per second", &rates, &peers(|peer| peer.per_second))?;
        panel(&right, "Memory of the operator, MiB", &memory, &peers(|peer| peer.memory_mb))?;
        root.present()?;
        Ok(())
    };
    drawn().map_err(|error| anyhow!("cannot draw {}: {error}", file.display()))
}

/// Lines over the number of resources, on a logarithmic scale, and other programs as crosses.
fn panel(
    area: &DrawingArea<SVGBackend, Shift>,
    title: &str,
    lines: &[Line],
    peers: &[(&str, f64, f64)],
) -> Result<(), Box<dyn std::error::Error>> {
    let points = || lines.iter().flat_map(|line| &line.points).copied();
    let others = || peers.iter().map(|(_, x, y)| (*x, *y));
    let all = || points().chain(others());
    let least = all().map(|(x, _)| x).fold(f64::MAX, f64::min);
    let most = all().map(|(x, _)| x).fold(0.0, f64::max);
    let top = all().map(|(_, y)| y).fold(1.0, f64::max) * ROOM_FOR_LEGEND;
    let numbers = (least * 0.8..most * 1.25).log_scale();
    let mut ticks: Vec<_> = all().map(|(x, _)| x).collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 17))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(48)
        .build_cartesian_2d(numbers.with_key_points(ticks), 0.0..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("resources")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .label_style(("sans-serif", 12))
        .draw()?;
    for Line { name, color, points } in lines {
        if points.is_empty() {
            continue;
        }
        let (style, color) = (color.stroke_width(2), *color);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style).point_size(3))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, color.filled())))?;
    }
    for ((name, x, y), color) in peers.iter().zip([BLACK, RGBColor(170, 0, 90)]) {
        chart
            .draw_series([Cross::new((*x, *y), 5, color.stroke_width(2))])?
            .label(format!("{name} (another run)"))
            .legend(move |(x, y)| Cross::new((x + 8, y), 5, color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .label_font(("sans-serif", 11))
        .draw()?;
    Ok(())
}

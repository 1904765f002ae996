//! Lines over a logarithmic axis, as SVG that reads well on a light and on a dark page.

use std::fmt::Write;

use super::sample::Figure;

/// The whole picture, and the frame of the lines within it.
const SIZE: (f64, f64) = (720.0, 360.0);
const LEFT: f64 = 72.0;
const RIGHT: f64 = 500.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 300.0;
/// Parts of the vertical axis.
const PARTS: u32 = 5;
/// Colours that stand out from white and from black, and for those who cannot tell them apart, dashes.
const PENS: [(&str, &str); 3] = [("#2f81f7", "none"), ("#db6d28", "6 3"), ("#3fb950", "2 3")];

/// One picture.
#[derive(Debug)]
pub(super) struct Plot<'a> {
    pub(super) title: &'a str,
    /// What the axes say, with units.
    pub(super) x: &'a str,
    pub(super) y: &'a str,
    /// Each with its name; all values are above zero.
    pub(super) lines: Vec<(&'a str, Vec<(f64, f64)>)>,
}

impl Plot<'_> {
    /// The file's text.
    pub(super) fn svg(&self) -> String {
        let (width, height) = SIZE;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\" aria-label=\"{}\">\n<style>\n\
             text {{ font: 12px sans-serif; fill: #1f2328 }}\n.grid {{ stroke: #8b949e; stroke-opacity: 0.35 }}\n\
             .line {{ fill: none; stroke-width: 2 }}\n\
             @media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} }}\n</style>\n",
            self.title
        );
        let middle = f64::midpoint(LEFT, RIGHT);
        text(&mut svg, (LEFT, 20.0), "start", self.title);
        text(&mut svg, (middle, height - 16.0), "middle", self.x);
        text(&mut svg, (LEFT, 36.0), "start", self.y);
        self.draw_grid(&mut svg);
        for ((name, points), pen) in self.lines.iter().zip(PENS) {
            self.draw_line(&mut svg, name, points, pen);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn draw_grid(&self, svg: &mut String) {
        let top = ceiling(self.points().map(|(_, y)| y).fold(0.0, f64::max));
        for part in 0..=PARTS {
            let value = top * f64::from(part) / f64::from(PARTS);
            let y = self.place((1.0, value)).1;
            rule(svg, (LEFT, y), (RIGHT, y));
            let label = if part == 0 { "0".to_owned() } else { Figure(value).to_string() };
            text(svg, (LEFT - 6.0, y + 4.0), "end", &label);
        }
        let mut values: Vec<f64> = self.points().map(|(x, _)| x).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        for value in values {
            let x = self.place((value, 0.0)).0;
            rule(svg, (x, TOP), (x, BOTTOM));
            text(svg, (x, BOTTOM + 18.0), "middle", &whole(value));
        }
    }

    fn draw_line(&self, svg: &mut String, name: &str, points: &[(f64, f64)], (colour, dashes): (&str, &str)) {
        let places: Vec<(f64, f64)> = points.iter().map(|point| self.place(*point)).collect();
        let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let pen = format!("stroke=\"{colour}\" stroke-dasharray=\"{dashes}\"");
        push(svg, format_args!("<polyline class=\"line\" {pen} points=\"{}\"/>\n", path.join(" ")));
        for (x, y) in &places {
            push(svg, format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>\n"));
        }
        if let Some((x, y)) = places.last() {
            text(svg, (x + 10.0, y + 4.0), "start", name);
        }
    }

    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        self.lines.iter().flat_map(|(_, points)| points.iter().copied())
    }

    /// Where a point is in the picture.
    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let exponents = || self.points().map(|(x, _)| x.log10());
        let (low, high) = (exponents().fold(f64::MAX, f64::min), exponents().fold(f64::MIN, f64::max));
        let top = ceiling(self.points().map(|(_, y)| y).fold(0.0, f64::max));
        let right = if high > low { (x.log10() - low) / (high - low) } else { 0.5 };
        (LEFT + right * (RIGHT - LEFT), BOTTOM - y / top * (BOTTOM - TOP))
    }
}

/// The first round number above `value`.
fn ceiling(value: f64) -> f64 {
    let unit = 10_f64.powf(value.max(f64::MIN_POSITIVE).log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|step| step * unit).find(|top| *top >= value).unwrap_or(value)
}

/// A number on the horizontal axis: a power of ten, or as it is.
fn whole(value: f64) -> String {
    let power = value.log10().round();
    if value >= 1000.0 && (10_f64.powf(power) - value).abs() < 0.5 {
        return format!("10<tspan dy=\"-5\" font-size=\"9\">{power}</tspan>");
    }
    value.to_string()
}

fn rule(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    push(
        svg,
        format_args!("<line class=\"grid\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>\n"),
    );
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, words: &str) {
    push(svg, format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>\n"));
}

fn push(svg: &mut String, piece: std::fmt::Arguments<'_>) {
    let written = svg.write_fmt(piece);
    debug_assert!(written.is_ok(), "memory takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_factors_are_equally_far_apart() {
        let plot =
            Plot { title: "t", x: "x", y: "y", lines: vec![("a", vec![(1e4, 1.0), (1e5, 1.5), (1e6, 2.0)])] };
        let places: Vec<_> = plot.points().map(|point| plot.place(point)).collect();
        assert_eq!(places, [(LEFT, 172.0), (286.0, 108.0), (RIGHT, TOP)]);
        let svg = plot.svg();
        assert!(svg.contains("points=\"72.0,172.0 286.0,108.0 500.0,44.0\""), "{svg}");
        assert!(svg.contains("10<tspan dy=\"-5\" font-size=\"9\">4</tspan>"), "{svg}");
    }

    #[test]
    fn the_axis_ends_with_a_round_number() {
        let cases = [(0.0312, 0.05), (0.2, 0.2), (2.1, 2.5), (7.0, 10.0), (19.0, 20.0)];
        for (value, top) in cases {
            assert!((ceiling(value) - top).abs() < 1e-9, "{value}: {}", ceiling(value));
        }
    }

    #[test]
    fn one_point_is_a_plot_too() {
        let svg = Plot { title: "t", x: "x", y: "y", lines: vec![("a", vec![(8.0, 1.0)])] }.svg();
        assert!(!svg.contains("NaN") && svg.contains(">8</text>"), "{svg}");
    }
}

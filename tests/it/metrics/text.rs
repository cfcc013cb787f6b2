//! Reads Prometheus' text form, version 0.0.4, and believes nothing: what Prometheus would take with a shrug is an error.

use std::collections::{BTreeMap, BTreeSet};

/// All series by name and labels, as they stand: `name{label="value"}`.
#[derive(Debug)]
pub struct Metrics {
    pub series: BTreeMap<String, f64>,
    types: BTreeMap<String, String>,
}

impl Metrics {
    /// The value of a series; panics where there is none.
    #[track_caller]
    pub fn get(&self, series: &str) -> f64 {
        *self.series.get(series).unwrap_or_else(|| panic!("there is no {series}"))
    }

    /// The names of all families.
    pub fn families(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }
}

/// Reads a whole answer. Each family stands together: its HELP, its TYPE, then its series.
pub fn parse(text: &str) -> Result<Metrics, String> {
    if !text.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    let mut metrics = Metrics { series: BTreeMap::new(), types: BTreeMap::new() };
    let mut helped = BTreeSet::new();
    let mut family = String::new();
    for line in text.lines() {
        let wrong = |what: &str| Err(format!("{what}: {line}"));
        if let Some(help) = line.strip_prefix("# HELP ") {
            let Some((name, sentence)) = help.split_once(' ') else { return wrong("a help without a word") };
            if !is_name(name) || !sentence.ends_with('.') || !helped.insert(name.to_owned()) {
                return wrong("a help of no name, without a sentence, or again");
            }
            name.clone_into(&mut family);
        } else if let Some(named) = line.strip_prefix("# TYPE ") {
            let (name, kind) = named.split_once(' ').unwrap_or_default();
            if name != family || !["counter", "gauge", "histogram"].contains(&kind) {
                return wrong("a type without its help, or of no kind");
            }
            if (kind == "counter") != name.ends_with("_total") {
                return wrong("counters, and they alone, end in _total");
            }
            if metrics.types.insert(name.to_owned(), kind.to_owned()).is_some() {
                return wrong("a type again");
            }
        } else {
            let Some((series, value)) = line.rsplit_once(' ') else { return wrong("a series without a value") };
            let Ok(value) = value.parse::<f64>() else { return wrong("no number") };
            let name = series.split('{').next().unwrap_or_default();
            let kind = metrics.types.get(&family).map_or("", String::as_str);
            let fits = match kind {
                "histogram" => ["_bucket", "_sum", "_count"].iter().any(|part| name.strip_suffix(part) == Some(&family)),
                "" => false,
                _ => name == family,
            };
            if !fits || !labels_are_good(&series[name.len()..]) {
                return wrong("a series apart from its family, or with labels that are none");
            }
            if value < 0.0 || metrics.series.insert(series.to_owned(), value).is_some() {
                return wrong("less than nothing, or a series again");
            }
        }
    }
    for name in metrics.types.iter().filter(|(_, kind)| *kind == "histogram").map(|(name, _)| name) {
        check_histogram(&metrics.series, name)?;
    }
    Ok(metrics)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// `{name="value",…}` or nothing; a value has no bare quote, backslash or line break.
fn labels_are_good(labels: &str) -> bool {
    let Some(mut rest) = labels.strip_prefix('{') else { return labels.is_empty() };
    loop {
        let Some((name, value)) = rest.split_once("=\"") else { return false };
        let mut end = None;
        let mut escaped = false;
        for (place, character) in value.char_indices() {
            match character {
                '\\' if !escaped => escaped = true,
                '"' if !escaped => {
                    end = Some(place);
                    break;
                }
                '\\' | '"' | 'n' if escaped => escaped = false,
                _ if escaped => return false,
                _ => {}
            }
        }
        let Some(end) = end else { return false };
        match &value[end + 1..] {
            "}" => return is_name(name),
            more if is_name(name) && more.starts_with(',') => rest = &more[1..],
            _ => return false,
        }
    }
}

/// Its buckets grow in bound and number, up to +Inf, which counts as many as `_count`.
fn check_histogram(series: &BTreeMap<String, f64>, name: &str) -> Result<(), String> {
    let mut buckets: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for (key, count) in series.iter().filter(|(key, _)| key.starts_with(&format!("{name}_bucket"))) {
        let (before, bound) = key.split_once("le=\"").ok_or_else(|| format!("{key} has no bound"))?;
        let bound = bound.split('"').next().unwrap_or_default();
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().map_err(|_| format!("{key} has a bound that is none"))? };
        let labels = before[name.len() + "_bucket".len()..].trim_end_matches(['{', ',']);
        let labels = if labels.is_empty() { String::new() } else { format!("{labels}}}") };
        buckets.entry(labels).or_default().push((bound, *count));
    }
    for (labels, mut one) in buckets {
        one.sort_by(|(left, _), (right, _)| left.total_cmp(right));
        let count = series.get(&format!("{name}_count{labels}"));
        let whole = one.last().is_some_and(|(bound, last)| bound.is_infinite() && Some(last) == count);
        if !whole || !series.contains_key(&format!("{name}_sum{labels}")) || one.windows(2).any(|pair| pair[0].1 > pair[1].1) {
            return Err(format!("{name}{labels} is no histogram: {one:?}, {count:?} in all"));
        }
    }
    Ok(())
}

#[test]
fn what_is_not_quite_the_form_is_refused() {
    let good = "# HELP a_total A.\n# TYPE a_total counter\na_total{b=\"c\\\"\"} 1\n";
    assert_eq!(parse(good).unwrap().get("a_total{b=\"c\\\"\"}"), 1.0);
    for (from, to) in [
        ("A.", "A"),
        ("# TYPE a_total counter\n", ""),
        ("a_total", "a"),
        ("} 1\n", "} 1"),
        (" 1", " one"),
        (" 1", " -1"),
        ("c\\\"\"", "c\"\""),
        ("counter", "gauge"),
        ("counter", "histogram"),
    ] {
        assert!(parse(&good.replace(from, to)).is_err(), "{from} as {to}");
    }
    let histogram = "# HELP h H.\n# TYPE h histogram\nh_bucket{a=\"b\",le=\"1\"} 2\nh_bucket{a=\"b\",le=\"+Inf\"} 3\nh_sum{a=\"b\"} 9\nh_count{a=\"b\"} 3\n";
    parse(histogram).unwrap();
    for (from, to) in [("} 2", "} 4"), ("+Inf", "5"), ("h_sum", "h_s"), ("h_count{a=\"b\"} 3", "h_count{a=\"b\"} 4")] {
        assert!(parse(&histogram.replace(from, to)).is_err(), "{from} as {to}");
    }
}

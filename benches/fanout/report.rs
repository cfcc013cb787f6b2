//! The tables that are printed.

use std::fmt::Write;

use crate::contestant::{Contestant, Told};
use crate::figures::{Figures, thousands};

/// What everybody was told, round by round, and how busy the machine was meanwhile.
#[derive(Default)]
pub struct Report {
    rounds: Vec<Vec<Told>>,
    loads: Vec<f64>,
}

impl Report {
    /// One round: what each contestant came to, in their order.
    pub fn add(&mut self, round: Vec<Told>, load: f64) {
        self.rounds.push(round);
        self.loads.push(load);
    }

    fn values(&self, place: usize, value: impl Fn(&Told) -> f64) -> Vec<f64> {
        self.rounds.iter().map(|round| value(&round[place])).collect()
    }

    fn median(&self, place: usize, value: impl Fn(&Told) -> f64) -> f64 {
        Figures::of(&self.values(place, value)).map_or(f64::NAN, |figures| figures.median)
    }

    /// Round by round against another contestant.
    fn ratio(&self, place: usize, against: usize, value: impl Fn(&Told) -> f64 + Copy) -> String {
        let pairs = self.values(place, value).into_iter().zip(self.values(against, value));
        let Some(ratio) = Figures::of(&pairs.map(|(one, other)| one / other).collect::<Vec<_>>()) else { return String::new() };
        format!("{:.2} ({:.2}-{:.2})", ratio.median, ratio.least, ratio.most)
    }

    fn load(&self) -> String {
        Figures::of(&self.loads).map_or_else(String::new, |load| format!("load {:.1} ({:.1}-{:.1})", load.median, load.least, load.most))
    }

    /// One change for everybody; times against the first contestant, the rest against the second.
    pub fn fanout(&self, title: &str, contestants: &[Contestant], clients: usize) -> String {
        let mut text = format!(
            "\n{title}: {} clients, {} rounds, {}\n  {:<22}{:>8}{:>8}{:>9}{:>20}{:>10}{:>20}{:>10}{:>20}{:>10}{:>10}\n",
            thousands(clients as f64),
            self.rounds.len(),
            self.load(),
            "",
            "first",
            "middle",
            "last",
            "of nothing-but",
            "telling",
            "of bare hyper",
            "parking",
            "of bare hyper",
            "memory",
            "later"
        );
        let each = |total: f64| total / clients as f64;
        for (place, contestant) in contestants.iter().enumerate() {
            let _ = writeln!(
                text,
                "  {:<22}{:>8.1}{:>8.1}{:>9.1}{:>20}{:>10.2}{:>20}{:>10.2}{:>20}{:>10.2}{:>10.2}",
                contestant.name,
                self.median(place, |told| told.first),
                self.median(place, |told| told.middle),
                self.median(place, |told| told.last),
                self.ratio(place, 0, |told| told.last),
                each(self.median(place, |told| told.telling)),
                self.ratio(place, 1, |told| told.telling),
                each(self.median(place, |told| told.parking)),
                self.ratio(place, 1, |told| told.parking),
                each(contestant.parked_at_first as f64) / 1024.0,
                each(contestant.parked_at_last as f64) / 1024.0,
            );
        }
        text.push_str("  ms until the first, the middle and the last client has it; µs of CPU a client; KB a parked client, at first and after the rounds\n");
        text
    }

    /// One change of one row, with ever more polls parked that it does not concern.
    pub fn rows(&self, sizes: &[usize]) -> String {
        let mut text = format!(
            "\none row of many: {} rounds, {}\n  {:>8}{:>14}{:>20}{:>14}{:>20}\n",
            self.rounds.len(),
            self.load(),
            "polls",
            "µs of CPU",
            "of the least",
            "ms to tell",
            "of the least"
        );
        for (place, size) in sizes.iter().enumerate() {
            let cpu = |told: &Told| told.telling + told.parking;
            let _ = writeln!(
                text,
                "  {:>8}{:>14.0}{:>20}{:>14.2}{:>20}",
                thousands(*size as f64),
                self.median(place, cpu),
                self.ratio(place, 0, cpu),
                self.median(place, |told| told.last),
                self.ratio(place, 0, |told| told.last),
            );
        }
        text
    }
}

/// The hub alone: one change of one row, among ever more polls of others.
pub fn by_itself(sizes: &[usize], times: &[Vec<f64>], load: f64) -> String {
    let mut text =
        format!("\none row of many, the hub by itself, load {load:.1}\n  {:>8}{:>14}{:>20}\n", "polls", "µs a change", "of the least");
    for (size, own) in sizes.iter().zip(times) {
        let ratios: Vec<f64> = own.iter().zip(&times[0]).map(|(one, least)| one / least).collect();
        let (Some(time), Some(ratio)) = (Figures::of(own), Figures::of(&ratios)) else { continue };
        let spread = format!("{:.2} ({:.2}-{:.2})", ratio.median, ratio.least, ratio.most);
        let _ = writeln!(text, "  {:>8}{:>14.1}{spread:>20}", thousands(*size as f64), time.median);
    }
    text
}

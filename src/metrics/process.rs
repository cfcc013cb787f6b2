//! The process as the system sees it, by the names that every Prometheus client gives: what it takes of memory, descriptors
//! and processor. On systems without `/proc` there is nothing to tell.

use prometheus::core::Collector;

#[cfg(not(target_os = "linux"))]
pub fn collector() -> Option<Box<dyn Collector>> {
    None
}

#[cfg(target_os = "linux")]
pub fn collector() -> Option<Box<dyn Collector>> {
    Some(Box::new(linux::Process::default()))
}

/// Memory of the process that is in RAM, in bytes.
pub fn resident_bytes() -> Option<u64> {
    #[cfg(target_os = "linux")]
    return procfs::process::Process::myself().and_then(|process| process.statm()).ok().map(|statm| statm.resident * procfs::page_size());
    #[cfg(not(target_os = "linux"))]
    None
}

#[cfg(target_os = "linux")]
mod linux {
    use procfs::process::{LimitValue, Process as Proc};
    use procfs::{boot_time_secs, page_size, ticks_per_second};
    use prometheus::core::{Collector, Desc};
    use prometheus::proto::MetricFamily;
    use prometheus::{Counter, Gauge};

    use crate::metrics::make;

    pub struct Process {
        cpu: Counter,
        resident: Gauge,
        virtual_memory: Gauge,
        open_descriptors: Gauge,
        most_descriptors: Gauge,
        threads: Gauge,
        started: Gauge,
    }

    impl Default for Process {
        fn default() -> Process {
            Process {
                cpu: make::sum("process_cpu_seconds_total", "Processor time that the process has used."),
                resident: make::level("process_resident_memory_bytes", "Memory of the process that is in RAM."),
                virtual_memory: make::level("process_virtual_memory_bytes", "Memory that the process may address."),
                open_descriptors: make::level("process_open_fds", "Descriptors that are open: sockets and files."),
                most_descriptors: make::level("process_max_fds", "Descriptors that may be open."),
                threads: make::level("process_threads", "Threads of the process."),
                started: make::level("process_start_time_seconds", "When the process started, since 1970."),
            }
        }
    }

    impl Process {
        fn parts(&self) -> [&dyn Collector; 7] {
            [&self.cpu, &self.resident, &self.virtual_memory, &self.open_descriptors, &self.most_descriptors, &self.threads, &self.started]
        }

        fn look(&self) -> procfs::ProcResult<()> {
            let process = Proc::myself()?;
            let stat = process.stat()?;
            let ticks = ticks_per_second() as f64;
            // A counter only grows: two who ask at once both add what is missing, one of them nothing.
            let cpu = (stat.utime + stat.stime) as f64 / ticks;
            self.cpu.inc_by((cpu - self.cpu.get()).max(0.0));
            self.resident.set(stat.rss as f64 * page_size() as f64);
            self.virtual_memory.set(stat.vsize as f64);
            self.threads.set(stat.num_threads as f64);
            self.started.set(boot_time_secs()? as f64 + stat.starttime as f64 / ticks);
            self.open_descriptors.set(process.fd_count()? as f64);
            self.most_descriptors.set(match process.limits()?.max_open_files.soft_limit {
                LimitValue::Value(limit) => limit as f64,
                LimitValue::Unlimited => f64::INFINITY,
            });
            Ok(())
        }
    }

    impl Collector for Process {
        fn desc(&self) -> Vec<&Desc> {
            self.parts().into_iter().flat_map(Collector::desc).collect()
        }

        fn collect(&self) -> Vec<MetricFamily> {
            match self.look() {
                Ok(()) => self.parts().into_iter().flat_map(Collector::collect).collect(),
                Err(error) => {
                    tracing::debug!(%error, "the process could not look at itself");
                    Vec::new()
                }
            }
        }
    }
}

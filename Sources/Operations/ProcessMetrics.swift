import Glibc
import Locking
import Telemetry
import Wire

/// Metrics of the process, with the names of Prometheus's client libraries.
enum ProcessMetrics {
    private static let started = {
        let now = Timestamp.now()
        return Double(now.seconds) + Double(now.nanoseconds) / 1e9
    }()

    /// Sets the start time. Call it once at the start.
    static func start() { _ = started }

    static func text() -> String {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        let processor = seconds(usage.ru_utime) + seconds(usage.ru_stime)
        let metrics: [(String, String)] = [
            ("process_cpu_seconds_total", "\(processor)"),
            ("process_open_fds", "\(openDescriptors())"),
            ("process_resident_memory_bytes", "\(residentBytes())"),
            ("process_start_time_seconds", "\(started)"),
        ]
        return metrics.map { name, value in
            let entry = MetricCatalog.entries[name]
            return "# HELP \(name) \(entry?.help ?? "")\n# TYPE \(name) \(entry?.type ?? "untyped")\n\(name) \(value)\n"
        }.joined()
    }

    private static func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }

    private static func openDescriptors() -> Int {
        ((try? Files.list("/proc/self/fd")) ?? []).count
    }

    private static func residentBytes() -> Int {
        let fields = (try? Files.read("/proc/self/statm"))?.text
        let pages = fields?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}

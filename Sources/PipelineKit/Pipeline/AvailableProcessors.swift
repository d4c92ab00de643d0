#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Returns how many processors this process may use, at least 1.
public func availableProcessors() -> Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

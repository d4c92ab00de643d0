import Foundation
import FuzzTargets

/// What libFuzzer calls for each input. `HECATE_FUZZ_TARGET` names the target.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    let done = DispatchSemaphore(value: 0)
    Task {
        await target.run(bytes)
        done.signal()
    }
    done.wait()
    return 0
}

private let target: FuzzTarget = {
    let name = ProcessInfo.processInfo.environment["HECATE_FUZZ_TARGET"] ?? ""
    guard let found = FuzzTarget.all.first(where: { $0.name == name }) else {
        fputs("HECATE_FUZZ_TARGET is none of \(FuzzTarget.all.map(\.name).joined(separator: ", "))\n", stderr)
        exit(2)
    }
    return found
}()

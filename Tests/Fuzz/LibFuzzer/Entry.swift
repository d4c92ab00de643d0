import Dispatch
import FuzzTargets
import Glibc
import Locking

/// libFuzzer's own start (compiler-rt, FuzzerDriver.cpp).
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ testOneInput: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// What the package manager makes the program's `main`, where libFuzzer would have its own.
@_cdecl("hecate_fuzz_main")
func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> CInt {
    var count = count
    var arguments = arguments
    return runDriver(&count, &arguments) { start, length in
        let bytes = Array(UnsafeBufferPointer(start: start, count: length))
        let done = DispatchSemaphore(value: 0)
        Task {
            await target.run(bytes)
            done.signal()
        }
        done.wait()
        return 0
    }
}

/// The target that `HECATE_FUZZ_TARGET` names.
private let target: FuzzTarget = {
    let name = environment("HECATE_FUZZ_TARGET") ?? ""
    guard let found = FuzzTarget.all.first(where: { $0.name == name }) else {
        let names = FuzzTarget.all.map(\.name).joined(separator: ", ")
        try? OpenFile.standardError.write(Array("HECATE_FUZZ_TARGET is none of \(names)\n".utf8))
        exit(2)
    }
    return found
}()

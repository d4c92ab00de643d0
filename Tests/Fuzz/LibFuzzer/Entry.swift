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
    plantSeeds()
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

/// Puts the target's good inputs where `HECATE_FUZZ_SEEDS` says, the folder with the inputs that libFuzzer begins from.
private func plantSeeds() {
    guard let folder = environment("HECATE_FUZZ_SEEDS") else { return }
    for (number, seed) in target.corpus.enumerated() {
        do {
            try Files.write(seed, to: "\(folder)/seed-\(number)")
        } catch {
            try? OpenFile.standardError.write(Array("\(error)\n".utf8))
            exit(2)
        }
    }
}

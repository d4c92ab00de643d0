import CHecateZlib
import Foundation
import PipelineKit
import Wire

/// A file that is appended to, and set aside under another name when it is large or old enough. Used by one caller at a time; its
/// calls block.
struct RotatingFile {
    /// When a file is set aside, and what becomes of it.
    struct Rule: Sendable {
        /// Before it would grow over this; nil for any size.
        var size: Int?
        /// When it is older than this; nil for any age.
        var age: Duration?
        /// How many that were set aside are kept; nil for all.
        var keep: Int?
        /// Whether they are compressed.
        var compresses: Bool
    }

    private let path: String
    private let rule: Rule?
    private var descriptor: Int32
    private var size: Int
    private var begun: Timestamp

    /// Opens the file, for its owner only where it is new.
    init(path: String, rule: Rule?, now: Timestamp) throws {
        self.path = path
        self.rule = rule
        (descriptor, size, begun) = try Self.open(path, now)
    }

    private static func open(_ path: String, _ now: Timestamp) throws -> (Int32, Int, Timestamp) {
        let descriptor = Foundation.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileDescriptorIO.systemError("the file '\(path)' cannot be written") }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return (descriptor, 0, now) }
        // When it was begun nobody knows; it is no younger than its last change.
        let begun = status.st_size > 0 ? Timestamp(seconds: Int64(status.st_mtim.tv_sec)) : now
        return (descriptor, Int(status.st_size), begun)
    }

    /// Appends bytes, all of them or none; sets the file aside before where that is due.
    mutating func append(_ bytes: [UInt8], sync: Bool, now: Timestamp) throws {
        if let rule, size > 0 {
            let isLarge = rule.size.map { size + bytes.count > $0 } ?? false
            let isOld = rule.age.map { now - begun >= $0 } ?? false
            if isLarge || isOld { try rotate(rule, now) }
        }
        let end = lseek(descriptor, 0, SEEK_END)
        do {
            try FileDescriptorIO.writeAll(bytes, to: descriptor)
            if sync, fsync(descriptor) != 0 { throw FileDescriptorIO.systemError("fsync failed") }
        } catch {
            if end >= 0 { ftruncate(descriptor, end) }
            throw error
        }
        size += bytes.count
    }

    /// Closes the file.
    func close() { Foundation.close(descriptor) }

    // MARK: - Setting aside

    private mutating func rotate(_ rule: Rule, _ now: Timestamp) throws {
        let aside = asideName(now)
        guard rename(path, aside) == 0 else { throw FileDescriptorIO.systemError("'\(path)' cannot be set aside") }
        let old = descriptor
        (descriptor, size, begun) = try Self.open(path, now)
        Foundation.close(old)
        let path = path
        // What was written is safe; whether it is compressed and how many are kept can take its time.
        DispatchQueue.global(qos: .utility).async {
            if rule.compresses { Self.compress(aside) }
            if let keep = rule.keep { Self.removeAllBut(keep, of: path) }
        }
    }

    /// `items-20260101T000000Z.jsonl` for `items.jsonl`; with a number where that is taken.
    private func asideName(_ now: Timestamp) -> String {
        let (stem, suffix) = Self.parts(of: path)
        let time = RFC3339.format(Timestamp(seconds: now.seconds)).filter { $0 != "-" && $0 != ":" }
        for number in 0... {
            let name = "\(stem)-\(time)\(number == 0 ? "" : "-\(number)")\(suffix)"
            if access(name, F_OK) != 0, access(name + ".gz", F_OK) != 0 { return name }
        }
        return path + ".old"
    }

    private static func parts(of path: String) -> (stem: String, suffix: String) {
        let name = path.split(separator: "/").last ?? ""
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return (path, "") }
        let suffix = String(name[dot...])
        return (String(path.dropLast(suffix.count)), suffix)
    }

    private static func compress(_ path: String) {
        let partial = path + ".gz.part"
        guard let input = FileHandle(forReadingAtPath: path) else { return }
        defer { try? input.close() }
        let made = Foundation.open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard made >= 0, let output = gzdopen(made, "wb6") else { return }
        var isGood = true
        while isGood, let chunk = try? input.read(upToCount: 256 << 10), !chunk.isEmpty {
            isGood = chunk.withUnsafeBytes { gzwrite(output, $0.baseAddress, UInt32($0.count)) } == Int32(chunk.count)
        }
        isGood = gzclose(output) == Z_OK && isGood
        // Only when the whole is there the original goes.
        if isGood, rename(partial, path + ".gz") == 0 { unlink(path) } else { unlink(partial) }
    }

    private static func removeAllBut(_ keep: Int, of path: String) {
        let url = URL(fileURLWithPath: path)
        let (stem, suffix) = parts(of: url.lastPathComponent)
        let folder = url.deletingLastPathComponent().path
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let aside = names.filter { name in
            let bare = name.hasSuffix(".gz") ? String(name.dropLast(3)) : name
            guard bare.hasPrefix(stem + "-"), bare.hasSuffix(suffix) else { return false }
            let time = bare.dropFirst(stem.count + 1).dropLast(suffix.count)
            return time.wholeMatch(of: #/[0-9]{8}T[0-9]{6}Z(-[0-9]+)?/#) != nil
        }
        for name in aside.sorted().dropLast(keep) { unlink("\(folder)/\(name)") }
    }
}

import Arguments
import Glibc
import Locking
import PipelineFile
import PipelineKit
import Spool
import Stages
import Wire

/// `hecate rollback`: removes what a gateway has written to Argus.
struct RollbackCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "rollback",
        abstract: "List the items that a gateway created in Argus, and delete them with --delete.",
        discussion: """
            Goes by the journal that the pipeline's sink keeps (argus: {journal: FILE}) and by what Argus lists for the owners. Each item is
            shown with what is done about it:

              created   this gateway made it, and nobody has written it since: deleted
              updated   it was there before this gateway wrote it: kept
              renewed   somebody else has written it since: kept
              unknown   the journal does not know it: kept

            With --by-owner all of them are deleted, and no journal is needed.

            Nothing is deleted without --delete, and then only after a confirmation, for which --yes stands in scripts. Stop the gateway
            before, or it writes again what is deleted here.
            """)

    enum Provenance: String { case created, updated, renewed, unknown }

    @OptionGroup var target: ArgusTarget
    @Flag(help: "Treat all items of the owners as written by this gateway, without a journal.") var byOwner = false
    @Flag(help: "Delete, after a confirmation.") var delete = false
    @Flag(help: "Do not ask for confirmation.") var yes = false
    @Flag(help: "Print JSON.") var json = false
    @OptionGroup var log: QuietLogOptions

    private struct Row {
        var item: ArgusBucket.Item
        var owner: String
        var provenance: Provenance
        var isDeleted: Bool
        var url: String { item.data["Webhook"]?["config"]?["url"]?.text ?? "" }
    }

    func validate() throws {
        if target.pipeline == nil, !byOwner {
            throw ValidationError(
                "name the pipeline with the journal with --pipeline FILE, or select all items of the owners with --by-owner"
            )
        }
    }

    func run() async throws {
        _ = log.bootstrap()
        let (file, sink) = try target.resolve()
        let journal = try await self.journal(file)
        let bucket: ArgusBucket
        do {
            bucket = try ArgusBucket(of: sink)
        } catch {
            throw CommandFailure("sink argus: \(error)", status: .badConfiguration)
        }
        let journalEntries = try await journal?.entries() ?? []
        let owners = try self.owners(file, journalEntries)
        do {
            try await bucket.connected { bucket in
                let rows = try await self.rows(bucket, owners, journalEntries)
                print(json ? Self.json(rows).pretty : Self.table(rows))
                let toDelete = rows.filter(\.isDeleted)
                guard delete, !toDelete.isEmpty else {
                    if !delete, !toDelete.isEmpty {
                        Console.error("nothing was deleted; use --delete to delete")
                    }
                    return
                }
                try confirm(toDelete.count)
                try await remove(toDelete, bucket, journal)
            }
        } catch let error as StageError {
            throw CommandFailure(error.description)
        }
        await journal?.close()
    }

    private func journal(_ file: PipelineFile?) async throws -> ItemJournal? {
        guard let file else { return nil }
        let all = [file.pipeline.sink] + file.pipeline.sink.options.nestedStages
        let path = all.filter { $0.kind.declaration.name == ArgusSink.declaration.name }
            .compactMap { ArgusSink.journalPath(of: $0) }.first
        guard let path else {
            guard byOwner else {
                throw CommandFailure(
                    "the sink of \(file.path) has no journal (argus: {journal: FILE}), so its items are unknown; select all items of the owners with --by-owner",
                    status: .badConfiguration)
            }
            return nil
        }
        guard Files.exists(path) else {
            guard byOwner else { throw CommandFailure("the journal '\(path)' does not exist: nothing was written") }
            return nil
        }
        let journal = ItemJournal(path: path)
        do {
            try await journal.open()
        } catch {
            throw CommandFailure("\(error)")
        }
        return journal
    }

    /// The owners on the command line and in the journal, and the constant owner of the pipeline.
    private func owners(_ file: PipelineFile?, _ journalEntries: [ItemJournal.Entry]) throws -> [String] {
        if !target.owners.isEmpty { return target.owners }
        var owners = Set(journalEntries.map(\.owner))
        for stage in file?.pipeline.stages ?? [] {
            if let owner = ArgusItemTransform.constantOwner(of: stage) { owners.insert(owner) }
        }
        guard !owners.isEmpty else {
            throw CommandFailure("the owner of the items is unknown: name it with --owner", status: .badConfiguration)
        }
        return owners.sorted()
    }

    private func rows(
        _ bucket: ArgusClient, _ owners: [String], _ journalEntries: [ItemJournal.Entry]
    ) async throws -> [Row] {
        let entries = Dictionary(journalEntries.map { ("\($0.owner) \($0.id)", $0) }) { $1 }
        var rows: [Row] = []
        for owner in owners {
            let listing = try await bucket.items(of: owner)
            for item in listing.items {
                let provenance = Self.provenance(of: item, entries["\(owner) \(item.id)"], listing)
                let isDeleted = byOwner || provenance == .created
                rows.append(Row(item: item, owner: owner, provenance: provenance, isDeleted: isDeleted))
            }
        }
        return rows
    }

    private static func provenance(
        of item: ArgusBucket.Item, _ entry: ItemJournal.Entry?, _ listing: ArgusBucket.Listing
    ) -> Provenance {
        guard let entry else { return .unknown }
        // Argus rounds to whole seconds: the item was renewed only if it expires later than the one we wrote can.
        if let ttl = item.ttl, listing.asked + .seconds(ttl) > entry.end + .seconds(2) { return .renewed }
        return entry.wasCreated ? .created : .updated
    }

    private func confirm(_ count: Int) throws {
        guard !yes else { return }
        guard isatty(0) == 1 else {
            throw CommandFailure("nothing was deleted: there is no terminal for the confirmation; use --yes")
        }
        Console.error("Type \(count) to delete \(count == 1 ? "this item" : "these items") from Argus:")
        guard readLine() == "\(count)" else { throw CommandFailure("nothing was deleted") }
    }

    private func remove(_ rows: [Row], _ bucket: ArgusClient, _ journal: ItemJournal?) async throws {
        let progress = Progress("deleted", total: rows.count)
        defer { progress.end() }
        var deleted = 0
        for row in rows {
            do {
                if try await bucket.delete(row.item.id, of: row.owner) { deleted += 1 }
            } catch {
                progress.end()
                throw CommandFailure("deleted \(deleted) of \(rows.count), then \(row.item.id) could not be: \(error)")
            }
            try await journal?.remove(row.item.id, of: row.owner)
            progress.advance()
        }
        progress.end()
        let rest = rows.count - deleted
        Console.error("deleted \(deleted)" + (rest > 0 ? "; \(rest) had ended meanwhile" : ""))
    }

    private static func table(_ rows: [Row]) -> String {
        let lines = rows.map { row in
            let what = row.provenance.rawValue.padded(to: 7)
            let url = Console.printable(row.url.isEmpty ? row.item.id : row.url)
            let owner = Console.printable(row.owner.isEmpty ? "(nobody)" : row.owner)
            return
                "\(row.isDeleted ? "delete" : "keep  ")  \(what)  \(owner)  \(row.item.ttl.map { "\($0) s" } ?? "-")  \(url)"
        }
        let count = rows.filter(\.isDeleted).count
        return (lines + ["\(rows.count) items: \(count) to be deleted, \(rows.count - count) kept"]).joined(
            separator: "\n")
    }

    private static func json(_ rows: [Row]) -> JSONTree {
        .array(
            rows.map { row in
                .members([
                    "id": .string(row.item.id), "owner": .string(row.owner), "url": .string(row.url),
                    "ttl": row.item.ttl.map { .integer($0) } ?? .null, "standing": .string(row.provenance.rawValue),
                    "delete": .bool(row.isDeleted),
                ])
            })
    }
}

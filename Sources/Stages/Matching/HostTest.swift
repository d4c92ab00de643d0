import PipelineKit

/// Tests whether a field is a URL with one of many hosts. An immutable class, so that testing a message retains none of
/// its parts.
final class HostTest: Sendable {
    let reference: FieldReference
    let hosts: HostSet
    let elements: Condition.Elements

    init(_ reference: FieldReference, _ hosts: HostSet, _ elements: Condition.Elements) {
        self.reference = reference
        self.hosts = hosts
        self.elements = elements
    }

    /// - Throws: `StageError` if the message is not JSON.
    func holds(for record: RecordView) throws -> Bool {
        let found = try record.hosts(of: reference)
        for host in found {
            let fits = if let host { hosts.contains(host) } else { false }
            if fits == (elements == .any) { return fits }
        }
        // None matches, or all do; without elements nothing matches.
        return elements == .all && !found.isEmpty
    }
}

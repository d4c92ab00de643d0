/// Returns `; did you mean 'x'?` with the candidate nearest to a misspelt word, or an empty text if none is near
/// enough.
public func suggestion(for word: String, among candidates: some Sequence<String>) -> String {
    let limit = max(1, word.count / 3)
    let nearest =
        candidates
        .map { (name: $0, distance: editDistance(word.lowercased(), $0.lowercased())) }
        .filter { $0.distance <= limit }
        .min { ($0.distance, $0.name) < ($1.distance, $1.name) }
    return nearest.map { "; did you mean '\($0.name)'?" } ?? ""
}

/// Returns the number of insertions, deletions, replacements and swaps of neighbours between two words (optimal string
/// alignment). Words over 64 characters are not compared.
func editDistance(_ left: String, _ right: String) -> Int {
    let left = Array(left), right = Array(right)
    guard left.count <= 64, right.count <= 64 else { return .max }
    guard !left.isEmpty, !right.isEmpty else { return max(left.count, right.count) }
    var beforePrevious: [Int] = []
    var previous = Array(0...right.count)
    for row in 1...left.count {
        var current = [row]
        for column in 1...right.count {
            let replacement = previous[column - 1] + (left[row - 1] == right[column - 1] ? 0 : 1)
            var best = min(previous[column] + 1, current[column - 1] + 1, replacement)
            if row > 1, column > 1, left[row - 1] == right[column - 2], left[row - 2] == right[column - 1] {
                best = min(best, beforePrevious[column - 2] + 1)
            }
            current.append(best)
        }
        (beforePrevious, previous) = (previous, current)
    }
    return previous[right.count]
}

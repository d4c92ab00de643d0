import PipelineKit

/// A pipeline as a graph of its stages.
struct PipelineGraph {
    struct Node {
        let id: String
        let name: String
        /// The role and the kind, such as `filter match`.
        let title: String
        let role: StageRegistry.Role
        /// The kind, such as `match`.
        let kind: String
        /// The stage's name in metrics.
        let stage: String
    }

    struct Edge {
        let from: Int
        let to: Int
        /// Which messages take the edge; empty for all.
        let label: String
    }

    let pipeline: String
    private(set) var nodes: [Node] = []
    private(set) var edges: [Edge] = []
    /// The nodes of the path from the source to the sink.
    private(set) var spine: [Int] = []

    init(_ spec: PipelineSpec) {
        pipeline = spec.name
        var last: Int?
        var wasFilter = false
        for stage in [spec.source] + spec.stages + [spec.sink] {
            let node = add(stage)
            spine.append(node)
            if let last { edges.append(Edge(from: last, to: node, label: wasFilter ? "passes" : "")) }
            if let otherwise = stage.otherwise {
                let side = add(otherwise, countingAs: "\(stage.name).otherwise")
                edges.append(Edge(from: node, to: side, label: "otherwise"))
                addNested(otherwise, below: side)
            }
            last = node
            wasFilter = stage.kind.role == .filter
        }
        if let last { addNested(spec.sink, below: last) }
    }

    private mutating func add(_ stage: PipelineSpec.StageSpec, countingAs name: String? = nil) -> Int {
        nodes.append(
            Node(
                id: "n\(nodes.count)", name: stage.name, title: stage.kind.title, role: stage.kind.role,
                kind: stage.kind.declaration.name, stage: name ?? stage.name))
        return nodes.count - 1
    }

    private mutating func addNested(_ stage: PipelineSpec.StageSpec, below parent: Int) {
        for nested in stage.options.nestedStages {
            let node = add(nested, countingAs: "\(nodes[parent].stage).\(nested.name)")
            edges.append(Edge(from: parent, to: node, label: ""))
            addNested(nested, below: node)
        }
    }

    private func label(_ node: Node) -> String {
        node.title.hasSuffix(" \(node.name)") ? node.title : "\(node.name) (\(node.title))"
    }

    // MARK: - Forms

    /// One stage per line, with branches indented.
    var text: String {
        var lines = ["pipeline \(pipeline)"]
        for (position, index) in spine.enumerated() {
            lines.append("\(position == 0 ? "   " : " ▸ ")\(label(nodes[index]))")
            branches(of: index, depth: 2, into: &lines)
        }
        return lines.joined(separator: "\n")
    }

    private func branches(of index: Int, depth: Int, into lines: inout [String]) {
        for edge in edges where edge.from == index && !spine.contains(edge.to) {
            let margin = String(repeating: "   ", count: depth)
            lines.append("\(margin)└ \(edge.label.isEmpty ? "" : "\(edge.label): ")\(label(nodes[edge.to]))")
            branches(of: edge.to, depth: depth + 1, into: &lines)
        }
    }

    /// For pages that render Mermaid.
    var mermaid: String {
        var lines = ["flowchart TD"]
        for node in nodes {
            let text = label(node).replacing(["\"": "#quot;", "<": "#lt;", ">": "#gt;"])
            let shape =
                switch node.role {
                case .source: "([\"\(text)\"])"
                case .filter: "{{\"\(text)\"}}"
                case .transform: "[\"\(text)\"]"
                case .sink: "[(\"\(text)\")]"
                }
            lines.append("    \(node.id)\(shape)")
        }
        for edge in edges {
            let label = edge.label.isEmpty ? "" : "|\(edge.label)|"
            lines.append("    \(nodes[edge.from].id) -->\(label) \(nodes[edge.to].id)")
        }
        return lines.joined(separator: "\n")
    }

    /// For Graphviz.
    var dot: String {
        func quoted(_ text: String) -> String { "\"\(text.replacing(["\\": "\\\\", "\"": "\\\""]))\"" }
        var lines = ["digraph \(quoted(pipeline)) {", "    node [shape=box, fontname=\"sans-serif\"]"]
        for node in nodes {
            let shape =
                switch node.role {
                case .source: "ellipse"
                case .filter: "hexagon"
                case .transform: "box"
                case .sink: "cylinder"
                }
            lines.append("    \(node.id) [shape=\(shape), label=\(quoted(label(node)))]")
        }
        for edge in edges {
            let label = edge.label.isEmpty ? "" : " [label=\(quoted(edge.label))]"
            lines.append("    \(nodes[edge.from].id) -> \(nodes[edge.to].id)\(label)")
        }
        return (lines + ["}"]).joined(separator: "\n")
    }

    /// A drawing with the path from the source to the sink downwards, and branches to its right.
    var svg: String {
        let size = (width: 280, height: 48), gap = (x: 70, y: 36), margin = 20
        var places: [Int: (column: Int, row: Int)] = [:]
        var row = 0
        func place(_ index: Int, _ column: Int) {
            places[index] = (column, row)
            let children = edges.filter { $0.from == index && !spine.contains($0.to) }.map(\.to)
            for (position, child) in children.enumerated() {
                if position > 0 { row += 1 }
                place(child, column + 1)
            }
        }
        for index in spine {
            place(index, 0)
            row += 1
        }
        func x(_ column: Int) -> Int { margin + column * (size.width + gap.x) }
        func y(_ row: Int) -> Int { margin + row * (size.height + gap.y) }
        let columns = (places.values.map(\.column).max() ?? 0) + 1
        let width = x(columns) - gap.x + margin, height = y(row) - gap.y + margin
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(width)\" height=\"\(height)\" viewBox=\"0 0 \(width) \(height)\" font-family=\"sans-serif\" font-size=\"13\">",
            "<title>\(pipeline.escapedForXML)</title>",
            "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#555\"/></marker></defs>",
            "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
        ]
        for edge in edges {
            guard let from = places[edge.from], let to = places[edge.to] else { continue }
            let path: String
            let label: (x: Int, y: Int)
            if to.column == from.column {
                let middle = x(from.column) + size.width / 2
                path = "M\(middle) \(y(from.row) + size.height)V\(y(to.row) - 1)"
                label = (middle + 6, y(to.row) - gap.y / 2 + 4)
            } else {
                let start = x(from.column) + size.width, bend = start + gap.x / 2
                let level = y(to.row) + size.height / 2
                path = "M\(start) \(y(from.row) + size.height / 2)H\(bend)V\(level)H\(x(to.column) - 1)"
                label = (start + 4, level - 6)
            }
            lines.append("<path d=\"\(path)\" fill=\"none\" stroke=\"#555\" marker-end=\"url(#arrow)\"/>")
            if !edge.label.isEmpty {
                lines.append(
                    "<text x=\"\(label.x)\" y=\"\(label.y)\" fill=\"#555\" font-size=\"11\">\(edge.label)</text>")
            }
        }
        for (index, node) in nodes.enumerated() {
            guard let place = places[index] else { continue }
            let color =
                switch node.role {
                case .source: "#dbeafe"
                case .filter: "#fef3c7"
                case .transform: "#ede9fe"
                case .sink: "#dcfce7"
                }
            let left = x(place.column), top = y(place.row)
            lines.append(
                "<rect x=\"\(left)\" y=\"\(top)\" width=\"\(size.width)\" height=\"\(size.height)\" rx=\"6\" fill=\"\(color)\" stroke=\"#555\"/>"
            )
            lines.append(
                "<text x=\"\(left + 12)\" y=\"\(top + 20)\" font-weight=\"bold\">\(Self.short(node.name).escapedForXML)</text>"
            )
            lines.append("<text x=\"\(left + 12)\" y=\"\(top + 38)\" fill=\"#444\">\(node.title.escapedForXML)</text>")
        }
        return (lines + ["</svg>"]).joined(separator: "\n")
    }

    private static func short(_ text: String) -> String { text.count > 34 ? text.prefix(33) + "…" : text }
}

import Arguments
import PipelineFile

/// `hecate graph`: a pipeline as a drawing.
struct GraphCommand: Command {
    enum Format: String, CaseIterable, ArgumentValue { case text, mermaid, dot, svg }

    static let configuration = CommandConfiguration(
        commandName: "graph", abstract: "Draw a pipeline: its stages, and which way messages go.",
        discussion: "mermaid is for pages that draw it (GitHub does), dot for Graphviz, svg for a browser.")

    @Argument(help: ArgumentHelp("The pipeline file.", valueName: "file"), completion: .file(extensions: ["yaml"]))
    var file: String
    @OptionGroup var set: SettingArguments
    @Arguments.Option(help: "How it is drawn: text, mermaid, dot or svg.") var format = Format.text

    func run() async throws {
        let graph = PipelineGraph(try PipelineFile.loadOne(file, settings: set.settings).pipeline)
        switch format {
        case .text: print(graph.text)
        case .mermaid: print(graph.mermaid)
        case .dot: print(graph.dot)
        case .svg: print(graph.svg)
        }
    }
}

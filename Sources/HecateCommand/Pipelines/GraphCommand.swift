import Arguments
import PipelineFile

/// `hecate graph`: draws a pipeline.
struct GraphCommand: Command {
    enum Format: String, CaseIterable, ArgumentValue { case text, mermaid, dot, svg }

    static let configuration = CommandConfiguration(
        commandName: "graph", abstract: "Draw a pipeline: its stages and the paths of messages.",
        discussion: "mermaid is for pages that render it (such as GitHub), dot for Graphviz, svg for a browser.")

    @Argument(help: ArgumentHelp("The pipeline file.", valueName: "file"), completion: .file(extensions: ["yaml"]))
    var file: String
    @OptionGroup var set: SettingArguments
    @Arguments.Option(help: "The format: text, mermaid, dot or svg.") var format = Format.text

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

import Arguments
import PipelineFile
import PipelineKit

/// Pipeline files, and what the command line sets of them.
struct PipelineArguments: ArgumentGroup {
    @Argument(help: ArgumentHelp("Pipeline files.", valueName: "file"), completion: .file(extensions: ["yaml", "yml"]))
    var files: [String]

    @OptionGroup var overrides: SettingArguments

    var settings: [String] { overrides.settings }
}

/// Values that are laid over those of the files.
struct SettingArguments: ArgumentGroup {
    @Arguments.Option(
        name: .customLong("set"),
        help: ArgumentHelp(
            "Sets an option over what the file says, as in source.sns.topicArn=arn:..., or stages.NAME.filter.sample.percent=20. May be repeated.",
            valueName: "path=value"))
    var settings: [String] = []
}

extension PipelineFile {
    /// One file that has to be good.
    ///
    /// - Throws: `ExitCode.badConfiguration` after printing its mistakes.
    static func loadOne(
        _ path: String, settings: [String] = [], substitution: Substitution = .system
    ) throws -> PipelineFile {
        let (files, report) = load(
            [path], registry: HecateCommand.registry, settings: settings, substitution: substitution)
        let text = report.description
        if !text.isEmpty { Console.error(text) }
        guard let file = files.first, !report.hasErrors else { throw ExitCode.badConfiguration }
        return file
    }
}

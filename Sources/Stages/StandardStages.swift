public import PipelineKit

extension StageRegistry {
    /// Every kind that ships. To add one, write its file in Sources, Filters, Transforms or Sinks, and its line here.
    public static let standard: StageRegistry = {
        var registry = StageRegistry()
        registry.register(SNSSource.self)
        registry.register(FileSource.self)
        registry.register(StdinSource.self)
        registry.register(GenerateSource.self)
        registry.register(MatchFilter.self)
        registry.register(SampleFilter.self)
        registry.register(ArgusItemTransform.self)
        registry.register(ArgusSink.self)
        registry.register(FileSink.self)
        registry.register(StdoutSink.self)
        registry.register(DropSink.self)
        return registry
    }()
}

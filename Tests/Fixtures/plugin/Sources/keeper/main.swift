import HecateCommand
import KeepSink
import PipelineKit
import Stages

var registry = StageRegistry.standard
registry.register(KeepSink.self)
await HecateCommand.main(registry: registry)

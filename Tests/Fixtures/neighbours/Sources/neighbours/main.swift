import HecateCommand
import Neighbour
import PipelineKit
import Stages

var registry = StageRegistry.standard
registry.register(NeighbourSink.self)
await HecateCommand.main(registry: registry)

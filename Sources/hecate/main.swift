import HecateCommand
import Stages

await HecateCommand.main(registry: .standard)

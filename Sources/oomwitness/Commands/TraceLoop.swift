// SPDX-License-Identifier: Apache-2.0
import Host
import Witness

extension Trace {
  /// The loop, from the first line of the stream to its last.
  func witness(
    _ host: TracedHost, _ kernel: TracedKernel, output: any EventOutput, options: WitnessLoop.Options, stop: Int32,
    beat: @escaping () -> Void = {}
  ) {
    WitnessLoop.rehearse(host: host.facts, swallow: output.rehearse)
    var surroundings = WitnessLoop.Surroundings(tell: output.write)
    surroundings.stopDescriptor = stop
    surroundings.pressureDescriptor = host.pressureDescriptor
    surroundings.waitingOutput = { output.waitingDescriptor }
    surroundings.flushOutput = output.flush
    surroundings.isOutputClosed = { output.isClosed }
    surroundings.biggest = kernel.biggest
    surroundings.takePast = { kernel.log.takePast(&$0, output: output) }

    host.dropRights(keepingBPF: kernel.usesIterator)
    let second = SecondWaiter(descriptor: kernel.input.descriptor)
    surroundings.runs = {
      second?.loopRuns()
      beat()
    }
    WitnessLoop(input: kernel.input, host: host.facts, options: options, surroundings: surroundings).run(kernel.start)
    withExtendedLifetime((host, kernel)) {}
  }

  func loopOptions(_ kernel: TracedKernel) -> WitnessLoop.Options {
    var options = WitnessLoop.Options()
    options.count = count.map(Int64.init)
    options.durationNanoseconds = duration.map { Int64($0 * 1e9) }
    options.wants = filter.wants
    options.oomKillAtStart = kernel.log.oomKillCount
    (options.isCrossChecked, options.tellsPast) = (kernel.isCrossChecked, kernel.log.hasPast)
    return options
  }
}

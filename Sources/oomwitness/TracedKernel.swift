// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import KernelProbe
import Witness

/// What the kernel allowed: an input for the loop, and the first line of the stream.
final class TracedKernel {
  let input: WitnessInput
  let start: StreamStart
  let log: HostLog
  /// The log is held against what the probes tell.
  let isCrossChecked: Bool
  /// Those in the kernel, for as long as the input lives.
  let programs: [ProgramCosts.Program]
  private let iterator: ProcessIterator?
  private let cache: ProcessCache

  var usesIterator: Bool { iterator != nil }

  init(probe: ProbeOptions, candidates: CandidateCount, record: String?, host: TracedHost) throws {
    cache = host.cache
    let identity = host.identity
    func start(
      _ source: Source, _ probes: [StreamStart.Probe], seesMemoryFreed: Bool = false
    ) -> StreamStart {
      StreamStart(
        version: Version.text, kernelRelease: identity.kernelRelease, architecture: identity.machine,
        pageSizeBytes: identity.pageSizeBytes, source: source, probes: probes,
        unavailable: StreamStart.unavailable(source: source, seesMemoryFreed: seesMemoryFreed))
    }
    var refused: [StreamStart.Probe] = []
    var sentences: [String] = []
    let ladder = Ladder(rungs: probe.probe.rungs)
    iterator = ProcessIterator()
    log = HostLog(sinceBoot: probe.sinceBoot, candidates: candidates, host: host)
    // A recording is for whoever asks later, and for how many.
    var settings = ProbeSettings(candidatesListed: record == nil ? candidates.limit : nil)
    settings.ringBytes = probe.ringBytes(candidates: settings.keepsAll ? host.processCount : 0)
    let pages = host.systemPages
    (settings.systemPages, settings.swapPages) = (pages.ram + pages.swap, pages.swap)
    settings.hasManyMemoryNodes = identity.memoryNodes > 1
    if let attached = ladder.attachFirst(
      settings,
      refused: { refusal in
        let sentence = Wording.sentence(refusal.error)
        sentences.append(sentence)
        refused.append(.init(name: refusal.rung.rawValue, refusal: sentence))
      })
    {
      let probes = attached.probes
      programs = attached.programs
      var configuration = Assembler.Configuration(
        source: attached.rung.source, pageSizeBytes: identity.pageSizeBytes)
      configuration.candidatesListed = candidates.limit
      configuration.hasManyMemoryNodes = settings.hasManyMemoryNodes
      configuration.seesBadness = attached.seesBadness
      configuration.seesMemoryFreed = probes.contains { $0.name.hasSuffix(":exit_mmap") && $0.refusal == nil }
      self.start = start(
        attached.rung.source, refused + probes + [log.probe], seesMemoryFreed: configuration.seesMemoryFreed)
      let recording = try record.map { try TracedKernel.recording($0, configuration) }
      let records = RecordInput(source: ProbeSource(attached, recording: recording), configuration: configuration)
      let tail = log.besideProbes()
      input = tail.map { CrossCheckedInput(records, $0) } ?? records
      isCrossChecked = tail != nil
      return
    }
    guard probe.probe == .auto || probe.probe == .kmsg else {
      throw Diagnostic.fail(
        "\(sentences.last ?? "nothing to attach") (`oomwitness check` shows what works here)",
        ExitStatus.notPossibleHere)
    }
    guard record == nil else {
      throw Diagnostic.fail(
        "--record needs BPF: \(sentences.last ?? "kmsg has no records")", ExitStatus.notPossibleHere)
    }
    programs = []
    input = KmsgInput(try log.alone(after: sentences.last))
    isCrossChecked = false
    self.start = start(.kmsg, refused + [.init(name: "/dev/kmsg", refusal: nil)])
  }

  /// The biggest processes: by the iterator where the kernel runs one, else from /proc.
  func biggest() -> [ProcessCache.Sized] {
    iterator?.biggest(limit: cache.capacity) ?? (try? cache.biggest(limit: cache.capacity)) ?? []
  }

  private static func recording(
    _ path: String, _ configuration: Assembler.Configuration
  ) throws -> Recording.Writer {
    let clock = Clock()
    let context = Recording.Context(
      source: configuration.source, pageSizeBytes: configuration.pageSizeBytes,
      seesBadness: configuration.seesBadness, seesMemoryFreed: configuration.seesMemoryFreed,
      hasManyMemoryNodes: configuration.hasManyMemoryNodes,
      wallLessMonotonicNanoseconds: clock.wall - clock.monotonic)
    do throws(Recording.Failure) {
      return try Recording.Writer(path: path, context: context)
    } catch {
      throw Diagnostic.fail(Wording.sentence(error))
    }
  }
}

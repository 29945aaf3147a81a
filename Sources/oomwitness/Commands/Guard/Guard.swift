// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Glibc
import Host
import Policy
import Sinks

/// Ends a process before the kernel has to.
struct Guard: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "guard",
    abstract: "Ends the process that the kernel would kill, before memory is gone, and tells why.",
    discussion: """
      Once memory and swap are both short, or all tasks stand still for too long, it takes the process with most points: \
      SIGTERM, a grace period, SIGKILL, and nobody else before memory came back. Never itself, init, kernel threads, \
      oom_score_adj -1000, or what --ignore names. docs/guard.md tells the rest.
      Examples:
        oomwitness guard --dry-run
        oomwitness guard -m 8,4 --prefer '^(chrome|java)$' --ignore 'unit=^(sshd|postgresql)[.]service$'
        oomwitness guard --cgroup /kubepods/pod42 --pressure-full 60
        oomwitness guard --earlyoom-file /etc/default/earlyoom
        oomwitness guard status
      """,
    subcommands: [Run.self, Status.self], defaultSubcommand: Run.self)

  /// Keeps the rights to read processes and to signal them.
  static func dropRights() {
    if !Capability.keepOnly([.kill, .sysPtrace, .dacReadSearch, .ipcLock]) {
      Diagnostic.say("rights that are no longer needed could not be dropped")
    }
  }
}

extension Guard {
  /// Watches, and acts.
  struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "run", abstract: "Watches memory, and acts: what `guard` does where nothing else is said.",
      discussion: """
        Needs root, or CAP_KILL for processes of others (and CAP_IPC_LOCK, CAP_SYS_RESOURCE to be safe itself).
        A pattern is a POSIX extended regular expression of the process's name, or of another field: 'unit=^db[.]'. \
        A pattern on cmdline has to wait where the process thrashes.
        Examples:
          oomwitness guard run --dry-run --output pretty
          oomwitness guard run -m 5 -s 100 --grace 2
        """)

    @OptionGroup var options: GuardOptions
    @Flag(help: "Signal nobody: only say what would be done.")
    var dryRun = false
    @OptionGroup var output: OutputOptions
    @Option(help: ArgumentHelp("End after so many seconds.", valueName: "seconds"))
    var duration: Double?
    /// Takes all memory that malloc can give before it watches, and gives it back after the first signal.
    @Flag(help: .private)
    var proveNoAllocation = false
    /// Asks for memory between the choice and the signal, for the proof that the proof proves.
    @Flag(help: .private)
    var allocateBeforeSignal = false
    /// What may wait for a slow reader, so that a test need not write megabytes.
    @Option(help: .private)
    var queueBytes = DescriptorSink.queueBytesMax

    func validate() throws {
      if let duration, !(duration > 0 && duration <= 1e9) {
        throw ValidationError("--duration takes seconds above 0, not \(duration)")
      }
    }

    func settings() throws -> GuardSettings {
      var settings = try options.settings()
      if dryRun { settings.isDryRun = true }
      if settings.isDryRun { settings.timing.pauseNanoseconds = 10_000_000_000 }
      return settings
    }

    func run() throws {
      let settings = try settings()
      let stop = StopSignals()
      let domain = try GuardDomain(cgroup: options.cgroup, thresholds: settings.thresholds)
      let identity = domain.identity
      let writer = EventWriter(
        format: output.format, host: output.hostName ?? identity.hostName, bootID: identity.bootID,
        pageSizeBytes: identity.pageSizeBytes, queueBytesMax: queueBytes)
      let teller = GuardTeller(writer: writer, domain: domain, settings: settings)
      GuardHeap.prepare()
      OwnProtection.apply()
      Guard.dropRights()
      try domain.startHelpers(settings.preferences)
      try GuardSelfTest(domain: domain, settings: settings, teller: teller).run()
      let loop = GuardLoop(domain: domain, settings: settings, teller: teller)
      let deadline = duration.map { SystemClock.monotonic + Int64($0 * 1e9) }
      let heap = GuardHeap()
      loop.afterSignal = { heap.restore() }
      var kept: [[UInt8]] = []
      if allocateBeforeSignal { loop.beforeSignal = { kept.append(Array(repeating: 1, count: 64)) } }
      if proveNoAllocation {
        loop.looksForNames = false
        heap.exhaust()
      }
      let end = loop.run(stop: stop.descriptor, deadlineNanoseconds: deadline)
      heap.restore()
      kept.removeAll()
      teller.drain()
      if let number = teller.failure {
        throw Diagnostic.fail("cannot write standard output: \(Wording.text(number)); nothing is guarded any more")
      }
      if case .groupGone = end { throw Diagnostic.fail("the control group is gone; nothing is guarded any more") }
    }
  }
}

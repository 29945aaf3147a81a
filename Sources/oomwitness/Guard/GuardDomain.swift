// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import Policy

/// What the guard watches, and where it looks for whom to take: the host, or a control group.
final class GuardDomain {
  let identity: HostIdentity
  let meter: GuardMeter
  let scanner: GuardScanner
  let targets: GuardTargets
  let groups: GuardGroups?
  let place: GuardScanner.Place
  /// Nil: the host.
  let cgroup: CgroupRef?
  private let descriptor: Int32
  /// Nil before `startHelpers`.
  private(set) var arguments: GuardArguments?
  /// Nil where no pattern means a container.
  private(set) var names: GuardContainerNames?

  /// - Parameters:
  ///   - path: of the control group, as /proc/PID/cgroup has it.
  ///   - tellsStalls: they are read though no threshold needs them.
  init(cgroup path: String?, thresholds: GuardThresholds, tellsStalls: Bool = false) throws {
    do throws(HostError) {
      identity = try HostIdentity()
      groups = try GuardGroups()
      scanner = try GuardScanner()
    } catch {
      throw Diagnostic.fail(Wording.sentence(error), ExitStatus.notPossibleHere)
    }
    targets = GuardTargets(scanner)
    if let path {
      let name = ProcessTable.rooted(path)
      guard let groups, let descriptor = name.bytes.withUnsafeBytes({ groups.open($0) }) else {
        throw Diagnostic.fail(
          "there is no memory cgroup \(TerminalText.safe(name)) here (paths are those of /proc/PID/cgroup)")
      }
      self.descriptor = descriptor
      place = .group(descriptor: descriptor)
      cgroup = CgroupRef(path: name, version: groups.version)
    } else {
      (descriptor, place, cgroup) = (-1, .host, nil)
    }
    let watched = descriptor < 0 ? nil : (descriptor: descriptor, version: groups?.version ?? 2)
    do throws(HostError) {
      meter = try GuardMeter(cgroup: watched, watchesPressure: tellsStalls || thresholds.watchesPressure)
    } catch {
      throw Diagnostic.fail(Wording.sentence(error), ExitStatus.notPossibleHere)
    }
    try check(thresholds)
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  private func check(_ thresholds: GuardThresholds) throws {
    let name = cgroup?.path.map { "cgroup \(TerminalText.safe($0))" } ?? "this host"
    guard meter.reading() != nil else {
      throw Diagnostic.fail("the memory of \(name) cannot be read", ExitStatus.notPossibleHere)
    }
    if thresholds.watchesPressure, !meter.hasPressure {
      throw Diagnostic.fail(
        "stalls of \(name) are not measured: the kernel has no pressure stall information here (psi=1 at boot turns it on; "
          + "groups have it in version 2)", ExitStatus.notPossibleHere)
    }
    if !meter.hasLimit, !thresholds.watchesPressure {
      throw Diagnostic.fail(
        "\(name) has no memory limit, so it never runs out by itself (give it one, or watch --pressure-full)")
    }
  }

  /// Looks for whom to take; false where the place could not be read.
  func scan(_ reading: GuardReading, _ settings: GuardSettings) -> Bool {
    let pages = GuardDomain.pages(reading)
    guard !settings.preferences.isEmpty else {
      return scanner.scan(place, by: settings.measure, domainPages: pages) { _ in .may(bonusPermille: 0) }
    }
    return scanner.scan(place, by: settings.measure, domainPages: pages) { verdict($0, settings.preferences) }
  }

  /// What patterns say of a process.
  func verdict(_ pid: Int32, _ preferences: GuardPreferences) -> GuardVerdict {
    let (scanner, names) = (scanner, names)
    return preferences.verdict({ scanner.field($0, of: pid) }, containerName: { names?.name(of: $0) })
  }

  /// Starts the threads for what may have to wait, and waits a while for the names of containers, where a pattern may mean one.
  ///
  /// Comes after rights were dropped: each thread has those of the one that made it.
  func startHelpers(_ preferences: GuardPreferences) throws {
    do throws(HostError) {
      arguments = try GuardArguments()
      guard preferences.asksForContainers else { return }
      names = try GuardContainerNames()
      names?.refresh(now: SystemClock.monotonic, waitingMilliseconds: GuardDomain.namesMilliseconds)
    } catch {
      throw Diagnostic.fail(Wording.sentence(error), ExitStatus.notPossibleHere)
    }
  }

  /// A disk that does not answer must not keep the guard from its start.
  private static let namesMilliseconds: Int32 = 2000

  /// Keeps of the one that is about to be ended what is gone soon after.
  func keepDetails(of candidate: GuardCandidate) {
    arguments?.ask(of: candidate)
    scanner.keepDetails(of: candidate.pid)
  }

  /// The size of the domain: what oom_score_adj counts thousandths of.
  static func pages(_ reading: GuardReading) -> Pages { reading.totalPages + reading.swapTotalPages }
}

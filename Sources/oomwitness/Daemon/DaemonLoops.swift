// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host

/// The loops beside the witness's: made anew when the configuration is read again, without a gap in what is witnessed.
struct DaemonLoops {
  /// A loop that can be started: all that can fail has been tried.
  struct Ready {
    let name: String
    let heartbeat: Heartbeat
    let run: (Int32) throws -> Void
  }

  /// Whatever wakes least often is given three minutes.
  static let patienceSeconds: Int64 = 180

  private let hub: EventHub

  init(hub: EventHub) { self.hub = hub }

  /// - Throws: with a sentence said, where one of them is not possible here.
  func make(_ settings: DaemonSettings) throws -> [Ready] {
    var all: [Ready] = []
    if let command = settings.pressure { all.append(try pressure(command)) }
    if let command = settings.guardian { all.append(try guardian(command)) }
    if let command = settings.protect { all.append(try protect(command)) }
    return all
  }

  private func pressure(_ command: Pressure.Watch) throws -> Ready {
    let heartbeat = Heartbeat(patienceSeconds: DaemonLoops.patienceSeconds)
    let watch = try command.watch(try Pressure.looker(), output: HubOutput(hub, heartbeat))
    return Ready(name: "pressure", heartbeat: heartbeat) { watch.run(stop: $0) }
  }

  private func guardian(_ command: Guard.Run) throws -> Ready {
    let heartbeat = Heartbeat(patienceSeconds: DaemonLoops.patienceSeconds)
    let settings = try command.settings()
    let domain = try GuardDomain(cgroup: command.options.cgroup, thresholds: settings.thresholds)
    let teller = GuardTeller(writer: HubOutput(hub, heartbeat), domain: domain, settings: settings)
    try GuardSelfTest(domain: domain, settings: settings, teller: teller).run()
    return Ready(name: "guard", heartbeat: heartbeat) { stop in
      GuardHeap.prepare()
      Guard.dropRights()
      try domain.startHelpers(settings.preferences)
      let loop = GuardLoop(domain: domain, settings: settings, teller: teller)
      if case .groupGone = loop.run(stop: stop, deadlineNanoseconds: nil) {
        Diagnostic.say("the control group that was guarded is gone")
      }
    }
  }

  private func protect(_ command: Protect.Watch) throws -> Ready {
    let heartbeat = Heartbeat(patienceSeconds: DaemonLoops.patienceSeconds + Int64(command.poll ?? 30))
    let (rules, _) = try command.options.read()
    let watch = command.watch(try Protector(rules: rules), output: HubOutput(hub, heartbeat))
    return Ready(name: "protect", heartbeat: heartbeat) { try watch.run(stop: $0) }
  }
}

// SPDX-License-Identifier: Apache-2.0
import Events

/// A line as an entry of journald: the sentence as its message, what people search by as fields, the line itself beside them.
///
/// `journalctl -u UNIT` shows what root has sent with OBJECT_SYSTEMD_UNIT=UNIT. OBJECT_PID, by which journald would look that
/// up itself, is left out: the victim is gone, and who has its number by then is another.
/// Source: systemd, shared/logs-show.c, add_matches_for_unit(); systemd.journal-fields(7).
enum JournalEntry {
  /// By type; they never change. `journalctl MESSAGE_ID=65fa2b0f73734e2487776d71cdb638ef` shows all kills.
  private static let messageIDs = [
    "stream_start": "893085b2493e47638ffecddd2b9f39d3",
    "oom_kill": "65fa2b0f73734e2487776d71cdb638ef",
    "oom_outcome": "c6090fff58594760abf9dc8844ee6e56",
    "oom_no_kill": "5701ff4861c94f35ab354c6d8ede57cc",
    "loss": "2552079760214ff1a19fbabd6799aa32",
    "pressure": "036a712bebc9430392875fdcf9b7c945",
    "policy_action": "fdbdb2d7828046f2a3084b430d18acab",
    "guard_action": "9f659e4f6e814ea0b101bd8478dfa6d1",
    "stream_end": "3c92106dcb544e0ba09507257c1bdbc2",
  ]

  /// - Parameter size: `short` leaves the line itself out.
  static func datagram(_ line: DeliveredLine, _ size: DatagramDestination.Size) -> [UInt8] {
    JournalSink.datagram(fields(line, size))
  }

  static func fields(_ line: DeliveredLine, _ size: DatagramDestination.Size) -> [JournalSink.Field] {
    let facts = line.facts
    let subject = facts.subject
    var fields: [JournalSink.Field] = []
    func add(_ name: JournalSink.StaticName, _ text: String?) {
      if let text { fields.append(JournalSink.Field(name, Array(text.utf8))) }
    }
    add(.message, facts.sentence)
    add(.messageID, facts.type.flatMap { messageIDs[$0] })
    add(.priority, "\(facts.severity)")
    add(.identifier, "oomwitness")
    add(.objectUnit, subject.unit)
    add(.type, facts.type)
    add(.time, facts.wallNanoseconds.map(RFC3339.text))
    add(.sequence, facts.sequence.map { "\($0)" })
    add(.bootID, facts.bootID)
    add(.host, facts.host)
    add(.scope, facts.scope)
    add(.level, facts.level)
    add(.decision, facts.decisionID.map { "\($0)" })
    add(.victimPID, subject.pid.map { "\($0)" })
    // Bytes as they are: a field may hold any.
    if let comm = subject.comm { fields.append(JournalSink.Field(.victimComm, comm.bytes)) }
    add(.victimUser, subject.user)
    if let cgroup = subject.cgroup { fields.append(JournalSink.Field(.victimCgroup, cgroup.bytes)) }
    add(.victimUnit, subject.unit)
    add(.containerID, subject.container?.id)
    add(.containerName, subject.container?.name)
    add(.containerImage, subject.container?.image)
    add(.namespace, subject.pod?.namespace)
    add(.pod, subject.pod?.pod)
    add(.podContainer, subject.pod?.container)
    add(.podUID, subject.pod?.podUID)
    if size == .whole { fields.append(JournalSink.Field(.event, Array(line.bytes.dropLast()))) }
    return fields
  }
}

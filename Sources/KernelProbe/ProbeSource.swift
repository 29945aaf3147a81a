// SPDX-License-Identifier: Apache-2.0
import Events

/// The attached programs as a source of records; writes a recording beside it where one is wanted.
package final class ProbeSource: RecordSource {
  private var probe: AttachedProbe
  private let recording: Recording.Writer?
  /// Records on the ring that were not of our making: always 0, unless binary and programs differ.
  package private(set) var malformed: Int64 = 0

  package init(_ probe: consuming AttachedProbe, recording: Recording.Writer? = nil) {
    self.probe = probe
    self.recording = recording
  }

  package var descriptor: Int32 { probe.descriptor }

  package func drain(_ body: (KernelRecord) -> Void) {
    probe.consume { bytes in
      recording?.append(bytes)
      do throws(ProbeError) {
        try RecordDecoder.decode(bytes, body)
      } catch {
        malformed += 1
      }
    }
  }

  package func detach() { probe.detach() }

  package var losses: LossCounters {
    var losses = probe.losses
    losses.records += malformed
    return losses
  }
}

// SPDX-License-Identifier: Apache-2.0

/// What is read at each scrape and not counted from events, as plain values: whoever asks for the page gives them.
package struct MetricReadings: Sendable {
  /// How one destination of lines fares.
  package struct Sink: Sendable {
    package var name: String
    /// The last attempt did not fail.
    package var isUp: Bool
    package var queuedLines: Int64
    package var queuedBytes: Int64
    package var deliveredLines: Int64
    package var filteredLines: Int64
    package var droppedLines: Int64
    package var failures: Int64

    package init(
      name: String, isUp: Bool, queuedLines: Int64, queuedBytes: Int64, deliveredLines: Int64, filteredLines: Int64,
      droppedLines: Int64, failures: Int64
    ) {
      (self.name, self.isUp, self.queuedLines, self.queuedBytes) = (name, isUp, queuedLines, queuedBytes)
      (self.deliveredLines, self.filteredLines) = (deliveredLines, filteredLines)
      (self.droppedLines, self.failures) = (droppedLines, failures)
    }
  }

  /// Lines on disk, for destinations that lag.
  package struct Spool: Sendable {
    package var bytes: Int64
    package var segments: Int
    /// Lines are kept in memory alone at the moment.
    package var isFailing: Bool

    package init(bytes: Int64, segments: Int, isFailing: Bool) {
      (self.bytes, self.segments, self.isFailing) = (bytes, segments, isFailing)
    }
  }

  /// Lines in the database of this host.
  package struct History: Sendable {
    package var bytes: Int64
    package var storedLines: Int64
    package var droppedLines: Int64
    package var filesSetAside: Int64
    /// Nothing can be stored at the moment.
    package var isFailing: Bool

    package init(bytes: Int64, storedLines: Int64, droppedLines: Int64, filesSetAside: Int64, isFailing: Bool) {
      (self.bytes, self.storedLines, self.droppedLines) = (bytes, storedLines, droppedLines)
      (self.filesSetAside, self.isFailing) = (filesSetAside, isFailing)
    }
  }

  /// What one BPF program took. Kernel: include/uapi/linux/bpf.h, struct bpf_prog_info.
  package struct Program: Sendable {
    package var name: String
    package var runs: Int64
    package var runNanoseconds: Int64

    package init(name: String, runs: Int64, runNanoseconds: Int64) {
      (self.name, self.runs, self.runNanoseconds) = (name, runs, runNanoseconds)
    }
  }

  package var sinks: [Sink] = []
  /// Nil where there is none.
  package var spool: Spool?
  /// Nil where there is none.
  package var history: History?
  package var linesTaken: Int64 = 0
  package var linesRefused: Int64 = 0
  /// Nil where the kernel does not measure it.
  package var programs: [Program]?

  package init() {}
}

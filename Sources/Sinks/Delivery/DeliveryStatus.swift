// SPDX-License-Identifier: Apache-2.0

/// Why a destination does not take lines, as facts that the command words.
package enum DestinationFailure: Hashable, Sendable {
  /// A system call on it: what was tried, and errno.
  case system(String, Int32)
  /// The other end closed the connection, or the reader of a pipe has gone.
  case closed
  /// It took nothing for too long.
  case timeout
  /// getent(1) knows no address of that name.
  case noAddress(String)
  /// The server's answer that is none of success, and the beginning of what it said.
  case answer(Int, String)
  /// curl ended so, and said this.
  case program(Int32, String)
  /// There is no such program here.
  case noProgram(String)
  /// A file that is to hold a URL, a header or a token does not.
  case badFile(String)
  /// A line, alone, is larger than it takes: its bytes.
  case tooLong(Int)
}

/// How a destination fares.
package enum DestinationState: Hashable, Sendable {
  /// Nothing was tried yet.
  case starting
  case up
  /// Since when, by CLOCK_MONOTONIC, and why.
  case down(sinceNanoseconds: Int64, DestinationFailure)
  /// It will take nothing any more: the reader of standard output has gone.
  case ended(DestinationFailure)
}

/// What was lost on the way to a destination, since it was asked for last.
package struct DeliveryLoss: Hashable, Sendable {
  package enum Reason: Hashable, Sendable {
    /// The spool was full, or the memory where there is none.
    case full
    /// Records of the spool were damaged.
    case damaged
    /// The receiver refused them for good.
    case refused(DestinationFailure)
    /// The destination has ended; of what comes after that only the status tells.
    case ended
  }
  /// By its name.
  package var destination: String
  package var reason: Reason
  /// Before its filter: which of them it would have had is not known.
  package var lines: Int64
}

/// How delivery fares, for metrics.
package struct DeliveryStatus: Hashable, Sendable {
  package struct Destination: Hashable, Sendable {
    package var name: String
    package var state: DestinationState
    /// Lines behind the newest, before its filter.
    package var queuedLines: Int64
    /// The same in bytes, of the spool or of memory.
    package var queuedBytes: Int64
    /// Since the start.
    package var deliveredLines: Int64
    package var filteredLines: Int64
    /// Lost, for whatever reason.
    package var droppedLines: Int64
    /// Attempts that failed.
    package var failures: Int64
  }
  package struct Spool: Hashable, Sendable {
    package var bytes: Int64
    package var segments: Int
    /// Why lines are kept in memory alone at the moment; nil where they are on disk.
    package var failure: DestinationFailure?
  }
  package var destinations: [Destination] = []
  /// Nil where there is none.
  package var spool: Spool?
  package var linesTaken: Int64 = 0
  /// Refused by `put`.
  package var linesRefused: Int64 = 0
}

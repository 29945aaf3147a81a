// SPDX-License-Identifier: Apache-2.0

/// Makes what a setting asks for; each opens or connects when its turn comes.
enum DestinationMaker {
  static func make(_ settings: DestinationSettings) -> Destination {
    switch settings.kind {
    case .stdout: PipeDestination()
    case .file(let file): FileDestination(file)
    default: PipeDestination()
    }
  }
}

// The temperature of a model's answers: how much a probability is lowered before it is shown.

export class Temperature {
  /** @param {object} calibration  of the card */
  constructor(calibration) {
    this.plain = calibration.temperature ?? 1;
    this.perDistance = calibration.per_distance ?? 0;
    this.adapted = calibration.adapted_temperature ?? this.plain;
  }

  /** Return the temperature of a clip at a distance from training clips; `share` is that of the adapted head. */
  at(distance, share) {
    const plain = this.plain * (1 + this.perDistance * Math.max(0, distance - 1));
    return plain ** (1 - share) * this.adapted ** share;
  }
}

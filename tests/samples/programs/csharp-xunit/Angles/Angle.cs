namespace Angles;

/// <summary>An angle between 0 and 360 degrees.</summary>
public readonly record struct Angle
{
    public Angle(double degrees) => Degrees = ((degrees % 360) + 360) % 360;

    public double Degrees { get; }

    public static Angle operator +(Angle left, Angle right) => new(left.Degrees + right.Degrees);
}

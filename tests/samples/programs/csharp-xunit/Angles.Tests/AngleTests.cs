using Angles;
using Xunit;

namespace Angles.Tests;

public class AngleTests
{
    [Fact]
    public void AFullTurnIsNone() => Assert.Equal(0, new Angle(360).Degrees);

    [Fact]
    public void AnglesAddPastTheTurn() => Assert.Equal(10, (new Angle(350) + new Angle(20)).Degrees);
}

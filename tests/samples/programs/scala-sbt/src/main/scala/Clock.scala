/** A time of day in whole minutes. */
final case class Clock private (minutes: Int):
  def +(more: Int): Clock = Clock.of(minutes + more)
  override def toString: String = f"${minutes / 60}%02d:${minutes % 60}%02d"

object Clock:
  private val Day = 24 * 60
  def of(minutes: Int): Clock = new Clock(Math.floorMod(minutes, Day))

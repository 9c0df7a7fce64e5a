import com.example.add
import kotlin.test.Test
import kotlin.test.assertEquals

class MainTest {
    @Test fun adds() = assertEquals(3, add(1, 2))
}

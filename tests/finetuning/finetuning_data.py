"""What the small data sets of these tests are made of."""

CHARACTERS = "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年"

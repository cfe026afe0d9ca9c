"""The kinds of word problem that take two or three steps."""

from src.sources.sandbox.kinds import BAKED, COLLECTED, EDIBLE, FRUIT, SMALL, SOLD, THINGS, Kind, Step

TWO_STEPS = (
    Kind(
        name="packs_and_loss",
        numbers={"packs": range(3, 11), "each": range(3, 11), "lost": range(2, 30)},
        things=SMALL,
        wordings=(
            "{name} buys {packs} packs of {things} with {each} {things} in each pack. "
            "On the way home {he} loses {lost} of them. How many {things} does {name} have left?",
            "After losing {lost} of {his} {things}, how many does {name} still have, "
            "if {he} bought {packs} packs and every pack held {each} {things}?",
            "There are {each} {things} in a pack. {name} buys {packs} of these packs, "
            "but {lost} {things} get lost on the way. How many {things} are left?",
        ),
        steps=(
            Step("total", "{things} bought", "packs * each"),
            Step("left", "{things} left", "total - lost"),
        ),
    ),
    Kind(
        name="shop_change",
        numbers={"bought": range(3, 11), "price": range(2, 11), "paid": range(20, 101, 5)},
        things=SOLD,
        wordings=(
            "{name} buys {bought} {things} that cost {price} dollars each. "
            "{He} pays with {paid} dollars. How many dollars of change does {name} get?",
            "In a shop {name} hands over {paid} dollars for {bought} {things}. "
            "The price of {things} is {price} dollars each. What change is due, in dollars?",
            "How much change does {name} get from {paid} dollars, "
            "if {things} cost {price} dollars each and {he} buys {bought} of them?",
        ),
        steps=(Step("cost", "cost", "bought * price"), Step("change", "change", "paid - cost")),
    ),
    Kind(
        name="share_after_loss",
        numbers={"had": range(20, 80), "lost": range(2, 20), "friends": range(3, 10)},
        things=SMALL,
        wordings=(
            "{name} has {had} {things} and loses {lost} of them. {He} shares the rest equally "
            "among {friends} friends. How many {things} does each friend get?",
            "A box holds {had} {things}, but {lost} of them go missing. {name} gives the others to "
            "{friends} friends in equal parts. How many {things} are there for each friend?",
            "How many {things} does each of {friends} friends get from {name}, if they share equally "
            "what is left of {had} {things} after {lost} are lost?",
        ),
        steps=(
            Step("left", "{things} left", "had - lost"),
            Step("share", "each friend", "left / friends"),
        ),
    ),
    Kind(
        name="times_as_many_difference",
        numbers={"own": range(3, 13), "times": range(3, 13)},
        things=THINGS,
        wordings=(
            "{name} has {own} {things}. {other} has {times} times as many {things} as {name}. "
            "How many more {things} does {other} have than {name}?",
            "{other} owns {times} times as many {things} as {name}, and {name} owns {own}. "
            "How many {things} must {name} get to have as many as {other}?",
            "How many more {things} than {name} does {other} have, "
            "if {name} has {own} and {other} has {times} times that number?",
        ),
        steps=(Step("many", "{other}", "own * times"), Step("more", "more", "many - own")),
    ),
    Kind(
        name="hourly_rate",
        numbers={"made": range(12, 100), "hours": range(2, 10), "shift": range(3, 13)},
        things=SOLD + BAKED,
        wordings=(
            "{name} makes {made} {things} in {hours} hours, always at the same speed. "
            "How many {things} can {name} make in {shift} hours?",
            "In a shift of {shift} hours, how many {things} does {name} make, "
            "if {he} always needs {hours} hours for {made} {things}?",
            "It takes {name} {hours} hours to make {made} {things}. "
            "At this rate, how many {things} are ready after {shift} hours?",
        ),
        steps=(Step("rate", "each hour", "made / hours"), Step("total", "{things} made", "rate * shift")),
    ),
    Kind(
        name="rectangle_perimeter",
        numbers={"long": range(16, 36), "wide": range(4, 16)},
        wordings=(
            "{name} walks once around a garden that is a rectangle. It is {long} meters long "
            "and {wide} meters wide. How many meters does {name} walk?",
            "A garden is a rectangle, {wide} meters wide and {long} meters long. "
            "How many meters of fence does {name} need to go all the way around it?",
            "How many meters of rope does {name} need to go once around a rectangle "
            "that has a length of {long} meters and a width of {wide} meters?",
        ),
        steps=(Step("half", "two sides", "long + wide"), Step("around", "around", "half * 2")),
    ),
    Kind(
        name="seats_and_buses",
        numbers={"adults": range(4, 30), "children": range(20, 70), "seats": range(6, 13)},
        wordings=(
            "{name} plans a trip for {adults} adults and {children} children. "
            "They go in small buses with {seats} seats each. How many full buses does {name} need?",
            "Small buses with {seats} seats each take {children} children and {adults} adults on a trip. "
            "If {name} fills every seat, how many buses go?",
            "How many buses of {seats} seats must {name} order so that {children} children "
            "and {adults} adults fill all the seats?",
        ),
        steps=(Step("people", "people", "adults + children"), Step("buses", "buses", "people / seats")),
    ),
    Kind(
        name="boxes_into_bags",
        numbers={"boxes": range(3, 13), "each": range(3, 13), "bag": range(3, 13)},
        things=SMALL,
        wordings=(
            "{name} opens {boxes} boxes with {each} {things} in each box. "
            "{He} puts all the {things} into bags of {bag}. How many bags does {name} fill?",
            "How many bags of {bag} {things} can {name} fill with the {things} from {boxes} boxes, "
            "when every box holds {each} {things}?",
            "Bags that hold {bag} {things} each are to be filled by {name}. The {things} come in "
            "{boxes} boxes of {each}. How many bags will be full?",
        ),
        steps=(Step("total", "{things}", "boxes * each"), Step("bags", "bags", "total / bag")),
    ),
    Kind(
        name="two_takings",
        numbers={"had": range(30, 90), "first": range(5, 40), "second": range(5, 40)},
        things=THINGS,
        wordings=(
            "There are {had} {things} on a table. {name} takes {first} of them in the morning "
            "and {other} takes {second} more at noon. How many {things} remain?",
            "First {name} takes {first} {things}, then {other} takes {second}. "
            "How many {things} remain on the table, if there were {had} at the start?",
            "How many of {had} {things} remain on a table once {name} has taken {first} of them and {other} has taken {second}?",
        ),
        steps=(
            Step("after", "after {name}", "had - first"),
            Step("left", "after {other}", "after - second"),
        ),
    ),
    Kind(
        name="shared_then_eaten",
        numbers={"had": range(18, 121), "friends": range(3, 13), "eaten": range(2, 8)},
        things=EDIBLE,
        wordings=(
            "{name} shares {had} {things} equally among {friends} friends. "
            "Each friend eats {eaten} {things} at once. How many {things} does each friend have left?",
            "Each of {friends} friends gets the same part of the {had} {things} that {name} brings. "
            "After eating {eaten} {things}, how many does each friend still have?",
            "How many {things} does a friend of {name} have left after eating {eaten}, "
            "if {friends} friends share {had} {things} equally?",
        ),
        steps=(Step("share", "each friend", "had / friends"), Step("left", "left", "share - eaten")),
    ),
)

THREE_STEPS = (
    Kind(
        name="tickets",
        numbers={
            "adults": range(2, 9),
            "adult_price": range(6, 13),
            "children": range(2, 11),
            "child_price": range(2, 6),
        },
        wordings=(
            "{name} buys {adults} adult tickets for {adult_price} dollars each and {children} child "
            "tickets for {child_price} dollars each. How many dollars does {name} pay?",
            "A child ticket costs {child_price} dollars and an adult ticket costs {adult_price} dollars. "
            "What does {name} pay for {adults} adults and {children} children?",
            "How many dollars does {name} need for {children} child tickets at {child_price} dollars "
            "and {adults} adult tickets at {adult_price} dollars?",
        ),
        steps=(
            Step("adult_cost", "adults", "adults * adult_price"),
            Step("child_cost", "children", "children * child_price"),
            Step("total", "total", "adult_cost + child_cost"),
        ),
    ),
    Kind(
        name="rows_difference",
        numbers={
            "rows": range(6, 13),
            "each": range(6, 13),
            "other_rows": range(3, 9),
            "other_each": range(3, 9),
        },
        things=THINGS,
        wordings=(
            "{name} lays out {rows} rows of {each} {things}. {other} lays out {other_rows} rows of "
            "{other_each} {things}. How many more {things} does {name} lay out than {other}?",
            "{other} has {other_rows} rows with {other_each} {things} each, and {name} has {rows} rows "
            "with {each} {things} each. How many more {things} does {name} have?",
            "How many more {things} are in the {rows} rows of {each} that {name} makes than in the "
            "{other_rows} rows of {other_each} that {other} makes?",
        ),
        steps=(
            Step("own", "{name}", "rows * each"),
            Step("others", "{other}", "other_rows * other_each"),
            Step("more", "more", "own - others"),
        ),
    ),
    Kind(
        name="three_classes",
        numbers={
            "first": range(8, 25),
            "second": range(8, 25),
            "third_class": range(8, 25),
            "team": range(4, 13),
        },
        wordings=(
            "Three classes send {first}, {second} and {third_class} children to play. "
            "{name} makes teams of {team} children from all of them. How many teams are there?",
            "{name} puts children into teams of {team}. They come from three classes, with {first} from "
            "one, {second} from another and {third_class} from the last. How many teams does {name} make?",
            "How many teams of {team} can {name} make, if {first} children come from one class, "
            "{second} from the next and {third_class} from the third?",
        ),
        steps=(
            Step("two", "two classes", "first + second"),
            Step("all", "all children", "two + third_class"),
            Step("teams", "teams", "all / team"),
        ),
    ),
    Kind(
        name="defects_each_day",
        numbers={"made": range(8, 20), "broken": range(2, 9), "days": range(3, 13), "box": range(3, 13)},
        things=SOLD,
        wordings=(
            "Each day {name} makes {made} {things}, but {broken} of them break. After {days} days {he} "
            "packs the good {things} in boxes of {box}. How many boxes does {name} fill?",
            "{name} packs good {things} in boxes of {box}. Of the {made} {things} made each day, "
            "{broken} are bad. How many boxes are filled in {days} days?",
            "In {days} days, how many boxes of {box} good {things} can {name} fill, "
            "if every day {he} makes {made} {things} and throws away {broken}?",
        ),
        steps=(
            Step("good", "good each day", "made - broken"),
            Step("total", "good {things}", "good * days"),
            Step("boxes", "boxes", "total / box"),
        ),
    ),
    Kind(
        name="weekly_savings",
        numbers={"goal": range(30, 101), "saved": range(5, 30), "pay": range(8, 20), "spent": range(2, 10)},
        wordings=(
            "{name} wants a bike for {goal} dollars and has {saved} dollars. Each week {he} earns {pay} "
            "dollars and spends {spent} of them. In how many weeks can {name} buy the bike?",
            "Each week {name} spends {spent} of the {pay} dollars that {he} earns. A bike costs {goal} "
            "dollars, and {saved} dollars are saved already. How many weeks must {name} wait?",
            "How many weeks does it take {name} to save for a bike of {goal} dollars, if {he} starts with "
            "{saved} dollars, earns {pay} dollars a week and spends {spent} dollars a week?",
        ),
        steps=(
            Step("missing", "missing", "goal - saved"),
            Step("kept", "each week", "pay - spent"),
            Step("weeks", "weeks", "missing / kept"),
        ),
    ),
    Kind(
        name="share_and_gift",
        numbers={
            "had": range(30, 80),
            "eaten": range(3, 25),
            "children": range(3, 10),
            "gift": range(2, 30),
        },
        things=EDIBLE,
        wordings=(
            "A group of {children} children has {had} {things} and eats {eaten} of them. The rest is shared "
            "equally. {name}, one of the group, then gets {gift} more. How many {things} does {name} have?",
            "{name} already has {gift} {things}. From {had} other {things}, {eaten} are eaten, and {name} "
            "and the rest of {his} group, {children} children in all, share what is left equally. "
            "How many {things} does {name} have now?",
            "How many {things} does {name} have, if {he} already owns {gift} and is one of {children} "
            "children who eat {eaten} of {had} {things} and then share the rest equally?",
        ),
        steps=(
            Step("rest", "{things} left", "had - eaten"),
            Step("share", "share", "rest / children"),
            Step("total", "{name}", "share + gift"),
        ),
    ),
    Kind(
        name="ages_later",
        numbers={"age": range(3, 15), "older": range(2, 12), "years": range(2, 20)},
        wordings=(
            "{name} is {age} years old. {other} is {older} years older than {name}. {third} is twice as "
            "old as {other}. How old will {third} be in {years} years?",
            "{third} is twice as old as {other}, and {other} is {older} years older than {name}. "
            "If {name} is {age} now, how old will {third} be after {years} years?",
            "In {years} years, how old will {third} be, if {third} is now twice the age of {other}, "
            "who is {older} years older than {name}, who is {age}?",
        ),
        steps=(
            Step("others", "{other}", "age + older"),
            Step("thirds", "{third}", "others * 2"),
            Step("later", "later", "thirds + years"),
        ),
    ),
    Kind(
        name="recipe_scaling",
        numbers={"serves": range(2, 9), "eggs": range(2, 9), "people": range(8, 61), "owned": range(2, 30)},
        wordings=(
            "A cake for {serves} people takes {eggs} eggs. {name} bakes such cakes for {people} people "
            "and has {owned} eggs at home. How many eggs must {name} buy?",
            "{name} has {owned} eggs and wants to bake cakes for {people} people. One cake takes {eggs} "
            "eggs and is enough for {serves} people. How many more eggs does {name} need?",
            "How many eggs must {name} buy to bake cakes for {people} people, if {he} has {owned} eggs, "
            "and {eggs} eggs make a cake for {serves} people?",
        ),
        steps=(
            Step("cakes", "cakes", "people / serves"),
            Step("needed", "eggs needed", "cakes * eggs"),
            Step("missing", "eggs to buy", "needed - owned"),
        ),
    ),
    Kind(
        name="legs_on_a_farm",
        numbers={"cows": range(3, 13), "hens": range(3, 31)},
        wordings=(
            "{name} has a farm with {cows} cows and {hens} hens. Each cow has four legs and each hen has "
            "two. How many legs do the animals have in all?",
            "On a farm {name} counts the legs of the animals. There are {hens} hens and {cows} cows, "
            "and no others. How many legs does {name} count?",
            "How many legs does {name} see on a farm, if all the animals there are {cows} cows with "
            "four legs and {hens} hens with two legs?",
        ),
        steps=(
            Step("cow_legs", "cow legs", "cows * 4"),
            Step("hen_legs", "hen legs", "hens * 2"),
            Step("legs", "all legs", "cow_legs + hen_legs"),
        ),
    ),
    Kind(
        name="half_of_the_rows_sold",
        numbers={"rows": range(4, 13), "each": range(4, 13), "given": range(2, 25)},
        things=FRUIT + BAKED + SOLD,
        wordings=(
            "{name} sets out {rows} rows of {each} {things}. {He} sells half of them and gives {given} "
            "to friends. How many {things} does {name} have left?",
            "After selling half of {his} {things} and giving away {given} more, how many does {name} "
            "have left, if {he} began with {rows} rows of {each} {things}?",
            "There are {each} {things} in each of {rows} rows. Half of all the {things} are sold, and "
            "{name} gives away another {given}. How many {things} are left?",
        ),
        steps=(
            Step("total", "{things}", "rows * each"),
            Step("half", "half", "total / 2"),
            Step("left", "left", "half - given"),
        ),
    ),
    Kind(
        name="twice_as_many_picked",
        numbers={"own": range(5, 40), "eaten": range(3, 30)},
        things=FRUIT,
        wordings=(
            "{name} picks {own} {things} and {other} picks twice as many. Together they eat {eaten} of "
            "the {things}. How many {things} are left?",
            "{other} picks twice as many {things} as {name}, who picks {own} of them. "
            "How many {things} are left for the two after they eat {eaten}?",
            "How many {things} do {name} and {other} have left after eating {eaten}, "
            "if {name} picked {own} {things} and {other} picked twice that number?",
        ),
        steps=(
            Step("twice", "{other}", "own * 2"),
            Step("total", "together", "own + twice"),
            Step("left", "left", "total - eaten"),
        ),
    ),
    Kind(
        name="two_days_boxed",
        numbers={"first": range(8, 45), "more": range(2, 25), "box": range(4, 13)},
        things=BAKED + SOLD,
        wordings=(
            "On Monday {name} makes {first} {things}. On Tuesday {he} makes {more} more than on Monday. "
            "All the {things} go into boxes of {box}. How many boxes does {name} need?",
            "{name} packs {things} in boxes of {box}. {He} made {first} of them on Monday, and {more} "
            "more than that on Tuesday. How many boxes are filled?",
            "How many boxes of {box} can {name} fill with the {things} of two days, if {he} made {first} "
            "on Monday and on Tuesday {more} more than on Monday?",
        ),
        steps=(
            Step("second", "Tuesday", "first + more"),
            Step("total", "both days", "first + second"),
            Step("boxes", "boxes", "total / box"),
        ),
    ),
    Kind(
        name="work_rates",
        numbers={
            "goal": range(40, 111),
            "done": range(5, 40),
            "rate": range(2, 8),
            "other_rate": range(2, 7),
        },
        things=SOLD + BAKED,
        wordings=(
            "{name} makes {rate} {things} an hour and {other} makes {other_rate} an hour. They need {goal} "
            "{things}, and {done} are ready. How many hours must they work together?",
            "Of {goal} {things}, {done} are ready. {other} makes {other_rate} {things} an hour and {name} "
            "makes {rate} an hour. In how many hours do the two finish the rest?",
            "How many hours do {name} and {other} need to bring {done} {things} up to {goal}, "
            "if {name} makes {rate} an hour and {other} makes {other_rate} an hour?",
        ),
        steps=(
            Step("missing", "missing", "goal - done"),
            Step("both", "each hour", "rate + other_rate"),
            Step("hours", "hours", "missing / both"),
        ),
    ),
    Kind(
        name="split_bill",
        numbers={
            "bought": range(4, 13),
            "price": range(3, 13),
            "coupon": range(2, 20),
            "people": range(3, 9),
        },
        things=SOLD,
        wordings=(
            "A group of {people} friends buys {bought} {things} at {price} dollars each. {name} has a "
            "coupon for {coupon} dollars off. How many dollars does each friend pay?",
            "With a coupon that takes {coupon} dollars off the bill, {name} buys {bought} {things} for "
            "{price} dollars each. If {people} people split the bill, what does each pay?",
            "What does each of {people} people pay when they split the bill for {bought} {things} at "
            "{price} dollars each and {name} has a coupon worth {coupon} dollars?",
        ),
        steps=(
            Step("cost", "cost", "bought * price"),
            Step("bill", "bill", "cost - coupon"),
            Step("share", "each pays", "bill / people"),
        ),
    ),
    Kind(
        name="fence_posts",
        numbers={"long": range(16, 36), "wide": range(4, 16), "apart": range(3, 13)},
        wordings=(
            "{name} puts a fence around a rectangle that is {long} meters long and {wide} meters wide. "
            "There is a post every {apart} meters. How many posts does {name} need?",
            "With a post every {apart} meters, how many posts does {name} need all the way around "
            "a garden that is {wide} meters wide and {long} meters long?",
            "A rectangle has a width of {wide} meters and a length of {long} meters. {name} sets posts "
            "along all its sides, {apart} meters apart. How many posts are there?",
        ),
        steps=(
            Step("half", "two sides", "long + wide"),
            Step("around", "around", "half * 2"),
            Step("posts", "posts", "around / apart"),
        ),
    ),
    Kind(
        name="fewer_then_times",
        numbers={"own": range(6, 40), "fewer": range(2, 35), "times": range(3, 10)},
        things=COLLECTED,
        wordings=(
            "{name} has {own} {things}. {other} has {fewer} fewer than {name}. {third} has {times} times "
            "as many as {other}. How many more {things} does {third} have than {name}?",
            "{third} has {times} times as many {things} as {other}, who has {fewer} fewer than {name}. "
            "If {name} has {own}, how many more does {third} have than {name}?",
            "How many more {things} than {name} does {third} have, if {name} has {own}, {other} has "
            "{fewer} fewer than that, and {third} has {times} times as many as {other}?",
        ),
        steps=(
            Step("others", "{other}", "own - fewer"),
            Step("thirds", "{third}", "others * times"),
            Step("more", "more", "thirds - own"),
        ),
    ),
    Kind(
        name="third_given",
        numbers={"had": range(12, 61, 3), "lost": range(2, 30)},
        things=THINGS,
        wordings=(
            "{name} gives one third of {his} {things} to {other}. {He} had {had} {things} at first, and "
            "after the gift {he} loses {lost}. How many {things} does {name} have left?",
            "Out of {had} {things}, {name} gives one third to {other} and later loses {lost} of the "
            "others. How many {things} are left for {name}?",
            "How many {things} does {name} have left, if {he} starts with {had}, gives one third of "
            "them to {other} and then loses {lost}?",
        ),
        steps=(
            Step("given", "given", "had / 3"),
            Step("kept", "kept", "had - given"),
            Step("left", "left", "kept - lost"),
        ),
    ),
)

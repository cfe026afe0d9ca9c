"""The kinds of word problem that take four or five steps."""

from src.sources.sandbox.kinds import BAKED, COLLECTED, EDIBLE, FRUIT, SOLD, Kind, Step

FOUR_STEPS = (
    Kind(
        name="two_purchases_change",
        numbers={
            "bought": range(2, 8),
            "price": range(3, 11),
            "mugs": range(2, 8),
            "mug_price": range(2, 9),
            "paid": range(30, 121, 5),
        },
        things=tuple(thing for thing in SOLD if thing not in ("mugs", "lamps")),
        wordings=(
            "{name} has {paid} dollars. {He} buys {bought} {things} for {price} dollars each and {mugs} "
            "mugs for {mug_price} dollars each. How many dollars does {name} have left?",
            "At {price} dollars each, {name} buys {bought} {things}, and at {mug_price} dollars each {he} "
            "buys {mugs} mugs. What change does {name} get from {paid} dollars?",
            "How many of {his} {paid} dollars does {name} keep after buying {mugs} mugs at {mug_price} "
            "dollars each and {bought} {things} at {price} dollars each?",
        ),
        steps=(
            Step("cost", "{things}", "bought * price"),
            Step("mug_cost", "mugs", "mugs * mug_price"),
            Step("total", "total", "cost + mug_cost"),
            Step("left", "left", "paid - total"),
        ),
    ),
    Kind(
        name="empty_seats",
        numbers={
            "buses": range(3, 10),
            "bus_seats": range(7, 13),
            "vans": range(2, 8),
            "van_seats": range(4, 7),
            "people": range(30, 110),
        },
        wordings=(
            "{name} rents {buses} buses with {bus_seats} seats each and {vans} vans with {van_seats} seats "
            "each. On the trip there are {people} people. How many seats stay empty?",
            "On a trip of {people} people, {name} has {vans} vans of {van_seats} seats and {buses} buses "
            "of {bus_seats} seats. How many seats are not used?",
            "How many seats stay empty, if {people} people go with {name} in {buses} buses of {bus_seats} "
            "seats and {vans} vans of {van_seats} seats?",
        ),
        steps=(
            Step("in_buses", "bus seats", "buses * bus_seats"),
            Step("in_vans", "van seats", "vans * van_seats"),
            Step("seats", "all seats", "in_buses + in_vans"),
            Step("empty", "empty", "seats - people"),
        ),
    ),
    Kind(
        name="job_savings",
        numbers={
            "pay": range(3, 10),
            "hours": range(2, 7),
            "spent": range(2, 25),
            "goal": range(40, 111),
            "saved": range(5, 40),
        },
        wordings=(
            "{name} earns {pay} dollars an hour and works {hours} hours a week. {He} spends {spent} dollars "
            "a week. With {saved} dollars saved, in how many weeks will {name} have {goal} dollars?",
            "To reach {goal} dollars, {name} works {hours} hours a week for {pay} dollars an hour. Each "
            "week {he} spends {spent} dollars. If {he} starts with {saved}, how many weeks does it take?",
            "How many weeks does {name} need to go from {saved} to {goal} dollars, if {he} spends {spent} "
            "dollars a week and works {hours} hours a week at {pay} dollars an hour?",
        ),
        steps=(
            Step("earned", "earned", "pay * hours"),
            Step("kept", "each week", "earned - spent"),
            Step("missing", "missing", "goal - saved"),
            Step("weeks", "weeks", "missing / kept"),
        ),
    ),
    Kind(
        name="team_balls",
        numbers={
            "boys": range(8, 40),
            "girls": range(8, 40),
            "absent": range(2, 12),
            "team": range(4, 12),
            "balls": range(2, 10),
        },
        wordings=(
            "{name} trains {boys} boys and {girls} girls, but {absent} of them are sick today. The others "
            "form teams of {team}, and each team gets {balls} balls. How many balls does {name} need?",
            "Each team of {team} gets {balls} balls from {name}. There are {girls} girls and {boys} boys, "
            "and {absent} of these children are away. How many balls are given out?",
            "How many balls must {name} bring for teams of {team} with {balls} balls each, when {absent} "
            "of the {boys} boys and {girls} girls stay at home?",
        ),
        steps=(
            Step("all", "children", "boys + girls"),
            Step("present", "present", "all - absent"),
            Step("teams", "teams", "present / team"),
            Step("needed", "balls", "teams * balls"),
        ),
    ),
    Kind(
        name="boxes_sold",
        numbers={
            "trays": range(4, 13),
            "each": range(4, 13),
            "burnt": range(2, 20),
            "box": range(4, 12),
            "price": range(2, 10),
        },
        things=BAKED,
        wordings=(
            "{name} bakes {trays} trays of {each} {things} and throws away {burnt} burnt {things}. The rest "
            "is sold in boxes of {box} for {price} dollars a box. How many dollars does {name} earn?",
            "A box of {box} {things} costs {price} dollars. {name} bakes {trays} trays with {each} {things} "
            "each and throws {burnt} away. How many dollars do the boxes bring?",
            "How many dollars does {name} get for {things} sold in boxes of {box} at {price} dollars a box, "
            "if {burnt} are burnt out of {trays} trays of {each}?",
        ),
        steps=(
            Step("baked", "baked", "trays * each"),
            Step("good", "good {things}", "baked - burnt"),
            Step("boxes", "boxes", "good / box"),
            Step("earned", "dollars", "boxes * price"),
        ),
    ),
    Kind(
        name="ages_of_three",
        numbers={"age": range(3, 12), "times": range(2, 7), "younger": range(2, 30)},
        wordings=(
            "{name} is {age} years old. {other} is {times} times as old as {name}. {third} is {younger} "
            "years younger than {other}. What is the sum of the ages of all three?",
            "{third} is {younger} years younger than {other}, and {other} is {times} times as old as "
            "{name}. If {name} is {age}, how old are the three together?",
            "How old are {name}, {other} and {third} together, if {name} is {age}, {other} is {times} "
            "times that age, and {third} is {younger} years younger than {other}?",
        ),
        steps=(
            Step("others", "{other}", "age * times"),
            Step("thirds", "{third}", "others - younger"),
            Step("two", "two ages", "age + others"),
            Step("sum", "all ages", "two + thirds"),
        ),
    ),
    Kind(
        name="half_found_lost_shared",
        numbers={
            "had": range(20, 81, 2),
            "found": range(3, 30),
            "lost": range(2, 20),
            "friends": range(3, 10),
        },
        things=COLLECTED,
        wordings=(
            "{name} gives half of {his} {had} {things} to {other}. Then {he} finds {found} and loses {lost}. "
            "The rest goes to {friends} friends in equal parts. How many {things} does each friend get?",
            "From {had} {things}, {name} keeps only half. {He} then gets {found} more, loses {lost} and "
            "shares what is left with {friends} friends, keeping none. How many does each friend get?",
            "How many {things} does each of {friends} friends get from {name}, who had {had}, gave half of "
            "them away, found {found} more, lost {lost} and shared the rest equally?",
        ),
        steps=(
            Step("half", "half", "had / 2"),
            Step("more", "with found", "half + found"),
            Step("left", "left", "more - lost"),
            Step("share", "each friend", "left / friends"),
        ),
    ),
    Kind(
        name="two_orchards",
        numbers={
            "trees": range(3, 11),
            "each": range(4, 11),
            "other_trees": range(3, 9),
            "other_each": range(3, 11),
            "bag": range(4, 13),
        },
        things=FRUIT,
        wordings=(
            "{name} picks {each} {things} from each of {trees} trees. {other} picks {other_each} from each "
            "of {other_trees} trees. They fill bags of {bag} {things}. How many bags do they fill?",
            "{name} and {other} fill bags of {bag} {things}. These come from {other_trees} trees of {other} "
            "with {other_each} {things} each and {trees} trees of {name} with {each} {things} each. "
            "How many bags are full?",
            "How many bags of {bag} do {name} and {other} fill, if {name} picks {trees} trees with {each} "
            "{things} each and {other} picks {other_trees} trees with {other_each} each?",
        ),
        steps=(
            Step("own", "{name}", "trees * each"),
            Step("others", "{other}", "other_trees * other_each"),
            Step("total", "together", "own + others"),
            Step("bags", "bags", "total / bag"),
        ),
    ),
    Kind(
        name="party_packs",
        numbers={
            "guests": range(6, 13),
            "wanted": range(4, 13),
            "boxes": range(2, 9),
            "each": range(3, 11),
            "pack": range(3, 13),
        },
        things=EDIBLE,
        wordings=(
            "{name} wants {wanted} {things} for each of {guests} guests. {He} has {boxes} boxes of {each} "
            "{things}. The shop sells packs of {pack}. How many packs must {name} buy?",
            "A shop sells {things} in packs of {pack}. {name} has {boxes} boxes with {each} {things} each, "
            "but {guests} guests are to get {wanted} each. How many packs does {name} need?",
            "How many packs of {pack} {things} must {name} buy so that each of {guests} guests gets "
            "{wanted}, if {he} has {boxes} boxes of {each} at home?",
        ),
        steps=(
            Step("needed", "needed", "guests * wanted"),
            Step("owned", "at home", "boxes * each"),
            Step("missing", "missing", "needed - owned"),
            Step("packs", "packs", "missing / pack"),
        ),
    ),
    Kind(
        name="half_then_third_spent",
        numbers={"had": range(12, 73, 6), "earned": range(3, 40)},
        things=SOLD,
        wordings=(
            "{name} has {had} dollars and spends half of it on {things}. {He} spends one third of the rest "
            "on food and then earns {earned} dollars. How many dollars does {name} have now?",
            "Half of the {had} dollars that {name} has is spent on {things}, and one third of the rest is "
            "spent on food. After {he} earns {earned} dollars, how many dollars does {name} have?",
            "How many dollars does {name} have after earning {earned}, if {he} first had {had}, spent half "
            "of that on {things} and one third of the rest on food?",
        ),
        steps=(
            Step("half", "half", "had / 2"),
            Step("food", "food", "half / 3"),
            Step("rest", "rest", "half - food"),
            Step("now", "now", "rest + earned"),
        ),
    ),
    Kind(
        name="two_wages",
        numbers={
            "pay": range(3, 10),
            "hours": range(2, 10),
            "more": range(2, 6),
            "other_hours": range(2, 10),
        },
        wordings=(
            "{name} earns {pay} dollars an hour and works {hours} hours. {other} earns {more} dollars an "
            "hour more than {name} and works {other_hours} hours. How many dollars do they earn together?",
            "{other} works {other_hours} hours and {name} works {hours} hours. {name} gets {pay} dollars an "
            "hour, and {other} gets {more} dollars an hour more. What do the two earn in all?",
            "How many dollars do {name} and {other} earn together, if {name} works {hours} hours at {pay} "
            "dollars, and {other} works {other_hours} hours at {more} dollars an hour more?",
        ),
        steps=(
            Step("earned", "{name}", "pay * hours"),
            Step("other_pay", "hourly pay", "pay + more"),
            Step("other_earned", "{other}", "other_pay * other_hours"),
            Step("total", "together", "earned + other_earned"),
        ),
    ),
)

FIVE_STEPS = (
    Kind(
        name="group_purchase",
        numbers={
            "bought": range(3, 11),
            "price": range(3, 11),
            "mugs": range(2, 10),
            "mug_price": range(2, 8),
            "coupon": range(2, 20),
            "people": range(3, 10),
        },
        things=tuple(thing for thing in SOLD if thing not in ("mugs", "lamps")),
        wordings=(
            "{name} orders {bought} {things} at {price} dollars each and {mugs} mugs at {mug_price} dollars "
            "each. A coupon takes {coupon} dollars off. If {people} people split the bill, what does each "
            "pay?",
            "A group of {people} people splits the bill for {mugs} mugs at {mug_price} dollars each and "
            "{bought} {things} at {price} dollars each. {name} has a coupon for {coupon} dollars. How many "
            "dollars does each pay?",
            "What does each of {people} people pay, if {name} uses a coupon for {coupon} dollars and they "
            "split the bill for {bought} {things} at {price} dollars and {mugs} mugs at {mug_price} dollars?",
        ),
        steps=(
            Step("cost", "{things}", "bought * price"),
            Step("mug_cost", "mugs", "mugs * mug_price"),
            Step("total", "total", "cost + mug_cost"),
            Step("bill", "bill", "total - coupon"),
            Step("share", "each pays", "bill / people"),
        ),
    ),
    Kind(
        name="wages_gift_and_saving",
        numbers={
            "hours": range(3, 12),
            "pay": range(3, 12),
            "gift": range(5, 40),
            "bought": range(2, 9),
            "price": range(2, 9),
            "weeks": range(3, 10),
        },
        things=SOLD,
        wordings=(
            "{name} works {hours} hours for {pay} dollars an hour and gets a gift of {gift} dollars. {He} "
            "buys {bought} {things} at {price} dollars each. The rest must last {weeks} weeks. How many "
            "dollars is that a week?",
            "For {hours} hours of work {name} gets {pay} dollars an hour, and {other} adds {gift} dollars. "
            "After {name} buys {bought} {things} at {price} dollars each, what is left a week for {weeks} "
            "weeks?",
            "How many dollars a week can {name} spend for {weeks} weeks, if {he} buys {bought} {things} at "
            "{price} dollars each after {hours} hours of work at {pay} dollars an hour and a gift of {gift}?",
        ),
        steps=(
            Step("earned", "earned", "hours * pay"),
            Step("all", "with gift", "earned + gift"),
            Step("cost", "{things}", "bought * price"),
            Step("rest", "rest", "all - cost"),
            Step("weekly", "each week", "rest / weeks"),
        ),
    ),
    Kind(
        name="three_pickers",
        numbers={"own": range(5, 35), "fewer": range(2, 30), "basket": range(4, 13)},
        things=FRUIT,
        wordings=(
            "{name} picks {own} {things}. {other} picks twice as many, and {third} picks {fewer} fewer than "
            "{other}. All the {things} go into baskets of {basket}. How many baskets do they fill?",
            "Baskets of {basket} {things} are filled by three pickers. {third} picks {fewer} fewer than "
            "{other}, who picks twice as many as {name}. If {name} picks {own}, how many baskets are full?",
            "How many baskets of {basket} do {name}, {other} and {third} fill, if {name} picks {own} "
            "{things}, {other} picks twice that number, and {third} picks {fewer} fewer than {other}?",
        ),
        steps=(
            Step("others", "{other}", "own * 2"),
            Step("thirds", "{third}", "others - fewer"),
            Step("two", "two pickers", "own + others"),
            Step("total", "all {things}", "two + thirds"),
            Step("baskets", "baskets", "total / basket"),
        ),
    ),
    Kind(
        name="fence_cost",
        numbers={
            "long": range(16, 35),
            "wide": range(5, 16),
            "gate": range(2, 9),
            "panel": range(3, 13),
            "price": range(2, 13),
        },
        wordings=(
            "{name} puts a fence around a rectangle {long} meters long and {wide} meters wide, leaving out "
            "{gate} meters for a gate. Panels of {panel} meters cost {price} dollars each. How many dollars "
            "does the fence cost?",
            "A fence panel is {panel} meters long and costs {price} dollars. {name} fences a garden of "
            "{wide} by {long} meters but leaves {gate} meters open for a gate. How many dollars does {name} "
            "pay?",
            "How many dollars does {name} pay to fence a garden {long} meters long and {wide} meters wide "
            "with {gate} meters left open, if panels of {panel} meters cost {price} dollars each?",
        ),
        steps=(
            Step("half", "two sides", "long + wide"),
            Step("around", "around", "half * 2"),
            Step("fence", "fence", "around - gate"),
            Step("panels", "panels", "fence / panel"),
            Step("cost", "cost", "panels * price"),
        ),
    ),
)

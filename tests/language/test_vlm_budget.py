"""What may be spent: limits, estimates, and requests that wait for room."""

from __future__ import annotations

import asyncio

import pytest

from gaze_insight.language.vlm.budget import Budget, BudgetSpentError, expected_tokens
from gaze_insight.language.vlm.settings import BudgetSettings, PriceSettings


def settled(budget, *takes):
    async def spend():
        for prompt, answer in takes:
            budget.settle(await budget.reserve(100, 50), prompt, answer)

    asyncio.run(spend())
    return budget.spent


def test_spending_is_the_sum_of_what_is_reported_times_the_prices():
    price = PriceSettings(input_per_million=2.0, output_per_million=8.0)
    spent = settled(Budget(None, price), (1000, 10), (500, 20), (0, 0))
    assert (spent.requests, spent.prompt_tokens, spent.completion_tokens) == (3, 1500, 30)
    assert spent.cost == pytest.approx((1500 * 2 + 30 * 8) / 1e6)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"requests": 2}, "2 of 2 requests"),
        ({"tokens": 300}, "200 of 300 tokens"),
        ({"cost": 0.0003}, "of 0.0003 EUR spent"),
    ],
)
def test_no_limit_is_exceeded(limits, said):
    price = PriceSettings(input_per_million=1, output_per_million=1, currency="EUR")
    budget = Budget(BudgetSettings(**limits), price)
    with pytest.raises(BudgetSpentError, match=said):
        settled(budget, (80, 20), (80, 20), (80, 20))
    assert budget.spent.requests == 2


def test_a_request_waits_for_room_that_others_may_leave():
    async def spend():
        budget = Budget(BudgetSettings(tokens=260))
        first = await budget.reserve(100, 50)
        second = asyncio.create_task(budget.reserve(100, 50))
        await asyncio.sleep(0.01)
        waited = not second.done()
        budget.settle(first, 90, 10)
        budget.settle(await second, 90, 10)
        return waited, budget.spent.tokens

    assert asyncio.run(spend()) == (True, 200)


def test_estimates_follow_what_the_server_reports():
    async def spend():
        budget = Budget()
        budget.settle(await budget.reserve(100, 50), 300, 10)
        return (await budget.reserve(200, 50)).prompt_tokens

    assert asyncio.run(spend()) == 600


def test_the_tokens_of_a_prompt_are_estimated():
    shown = [{"type": "text", "text": "x" * 40}, {"type": "image_url", "image_url": {"url": "data:"}}]
    messages = [{"role": "system", "content": "y" * 8}, {"role": "user", "content": shown}]
    assert expected_tokens(messages, 500) == (4 + 2) + (4 + 10 + 500)

"""Tables of the portal: who may see what, what was settled as people read it, what people do.

Amounts are exact text, as everywhere.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models

OPERATIONS, AUDITOR, PARTNER, REP, CUSTOMER = ROLES = (
    "operations",
    "auditor",
    "partner",
    "rep",
    "customer",
)
"""Operations and auditors see everything; the others see what concerns one party.

Only operations change things for others.
"""
EVERYBODY = (OPERATIONS, AUDITOR)


def _authority() -> models.CharField:  # type: ignore[type-arg]  # a function, to those who run it
    """A column: the authority by which a row was made. Rows without one have none."""
    told = "Of whoever made this, at that moment: access/authority.py."
    return models.CharField(max_length=64, blank=True, default="", help_text=told)


class Grant(models.Model):
    """A right to see what concerns a party, in a role, for a reason.

    A grant is ended, never removed: it says why somebody could see. Who is of operations can
    close, who is a customer can consent: a grant of a role in `TWO` holds only once a second of
    operations has approved it.
    """

    TWO = (OPERATIONS, CUSTOMER)

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    role = models.CharField(max_length=20, choices=[(r, r) for r in ROLES])
    party = models.CharField(
        max_length=200, blank=True, help_text="Id in the book; empty for operations and auditor."
    )
    reason = models.CharField(max_length=500)
    given_by = models.CharField(max_length=150)
    given_at = models.DateTimeField()
    authority = _authority()
    approved_by = models.CharField(max_length=150, blank=True)
    holds_at = models.DateTimeField(
        null=True, help_text="None: it waits for the second of operations."
    )
    ended_by = models.CharField(max_length=150, blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (models.Index(fields=["user", "role", "party"]),)


class Opening(models.Model):
    """A way into an account that was opened: by whom, and until when that one could use it.

    A link can be used by whoever saw it, and a password by whoever set it beside the workspace;
    what `fenrun account` resets ends all that was opened before.
    """

    LINK, PASSWORD, PROVIDER = WAYS = ("link", "password", "provider")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    way = models.CharField(max_length=20, choices=[(w, w) for w in WAYS])
    by = models.CharField(
        max_length=200, help_text="Account or actor; of a provider, its own number for somebody."
    )
    at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)


class Period(models.Model):
    """A period that is shown: the run it stands on, as of its knowledge time (`known`)."""

    key = models.CharField(max_length=40, primary_key=True)
    run = models.CharField(max_length=64)
    known = models.DateTimeField()
    ends = models.DateField()
    closed = models.BooleanField()
    closed_at = models.DateTimeField(null=True, help_text="When it was closed, where it is.")
    booked = models.CharField(
        max_length=64, help_text="Digest of the differences of closed periods that it holds."
    )
    currency = models.CharField(
        max_length=200, help_text="Those of its statements, in their order."
    )
    state = models.IntegerField(
        default=0, help_text="The last event of the log that it rests on: a newer one replaces it."
    )
    counts = models.JSONField(
        default=dict,
        help_text="Problems of its run by severity, lines without a target: as pages count them.",
    )
    layout = models.IntegerField(
        default=0, help_text="Of its rows: those of an earlier one are made anew at the next start."
    )
    before_run = models.CharField(
        max_length=64, default="", help_text="The run that was shown before; empty: none was."
    )
    before_known = models.DateTimeField(null=True, help_text="The knowledge time of that one.")


class Statement(models.Model):
    """A statement as its payee reads it, in one currency. Grain: period, payee, currency."""

    period = models.ForeignKey(Period, models.CASCADE)
    payee = models.CharField(max_length=200)
    currency = models.CharField(max_length=10, default="")
    name = models.CharField(max_length=500)
    role = models.CharField(max_length=60)
    rank = models.IntegerField(
        help_text="Place among the period's statements by currency, what is earned, and credited."
    )
    credited = models.CharField(max_length=60)
    earned = models.CharField(max_length=60)
    payable = models.CharField(max_length=60)
    body = models.JSONField(
        help_text="The statement; how far each line has come in its table; what of the payee's "
        "customers' spend is credited to others, never to whom; the largest of its customers."
    )
    customers = models.JSONField(
        help_text="All its customers: role, customer, credited, charges; largest first."
    )
    reached = models.JSONField(
        default=list,
        help_text="What its lines with a target reached: plan, component, period, measure, target.",
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["payee", "period", "currency"], name="statement_once"),
        )
        indexes = (models.Index(fields=["period", "rank"]),)

    def line_ids(self) -> set[str]:
        """Return the names of the statement's lines."""
        return {line["line"] for line in self.body["lines"]}


class Crediting(models.Model):
    """A party credited for a customer's spend.

    Grain: period, currency, customer, role, party, way (`via`), link.
    """

    period = models.ForeignKey(Period, models.CASCADE)
    currency = models.CharField(max_length=10, default="")
    customer = models.CharField(max_length=200, db_index=True)
    role = models.CharField(max_length=60)
    party = models.CharField(max_length=200)
    name = models.CharField(max_length=500)
    via = models.CharField(max_length=20)
    order = models.CharField(max_length=200, blank=True)
    amount = models.CharField(max_length=60)
    charges = models.BigIntegerField()
    since = models.DateField(null=True)
    until = models.DateField(null=True)
    type = models.CharField(
        max_length=200, blank=True, default="", help_text="The kind of the link: sign-up ..."
    )
    source = models.CharField(max_length=500, blank=True, help_text="File that brought the link.")
    actor = models.CharField(max_length=200, blank=True, help_text="Who entered it into the book.")
    known = models.DateTimeField(null=True)


class Dispute(models.Model):
    """An objection to something on a statement, or to who is credited."""

    STATES = ("open", "answered", "accepted", "refused", "withdrawn")
    party = models.CharField(max_length=200, help_text="Whose statement or spend it is about.")
    period = models.CharField(max_length=40)
    line = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=20, choices=[(s, s) for s in STATES])
    opened_by = models.CharField(max_length=150)
    opened_at = models.DateTimeField()
    amount = models.CharField(max_length=60, blank=True, help_text="Claimed, exact text.")
    currency = models.CharField(max_length=10, blank=True)
    charge = models.CharField(
        max_length=500, blank=True, help_text="Place of the charge that it is about."
    )
    customer = models.CharField(
        max_length=200, blank=True, help_text="Whose spend, credited to others, it is about."
    )
    owner = models.CharField(max_length=150, blank=True, help_text="Of operations, who answers it.")
    due = models.DateField(null=True, help_text="The day by which it is answered.")
    pay_then = models.CharField(
        max_length=60, blank=True, help_text="What the statement paid when it was accepted."
    )


class DisputeFile(models.Model):
    """A file that shows what a dispute is about."""

    dispute = models.ForeignKey(Dispute, models.CASCADE)
    party = models.CharField(max_length=200)
    name = models.CharField(max_length=200)
    content = models.BinaryField()
    size = models.IntegerField(help_text="Bytes.")
    by = models.CharField(max_length=150)
    at = models.DateTimeField()


class DisputeEntry(models.Model):
    """An entry of a dispute: what was said or done."""

    dispute = models.ForeignKey(Dispute, models.CASCADE)
    party = models.CharField(max_length=200)
    by = models.CharField(max_length=150)
    at = models.DateTimeField()
    state = models.CharField(max_length=20)
    text = models.TextField(max_length=4000)


class Request(models.Model):
    """A request to a customer that somebody be credited for its spend.

    Nothing is credited by it before the customer's consent, or before the end of the plan's window
    for silence.
    """

    KINDS = ("association", "transfer", "registration", "sign-up")
    CONSENT = ("consented", "silent")
    STATES = ("waiting", *CONSENT, "refused", "withdrawn", "void")
    kind = models.CharField(max_length=20, choices=[(k, k) for k in KINDS])
    customer = models.CharField(max_length=200)
    party = models.CharField(max_length=200, help_text="Who is to be credited.")
    issuer = models.CharField(max_length=200, blank=True)
    order = models.CharField(max_length=200, blank=True)
    since = models.DateField(
        help_text="The day that is asked for; what is entered never begins before the consent."
    )
    reason = models.CharField(max_length=1000)
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    authority = _authority()
    silence_days = models.IntegerField(
        default=0, help_text="Of silence that are consent, as the plan said; 0: none are."
    )
    silent_on = models.DateField(
        null=True,
        help_text="Silence up to and with the day before is consent. None: no notice was delivered "
        "yet, or only consent is.",
    )
    state = models.CharField(max_length=20, choices=[(s, s) for s in STATES])
    decided_by = models.CharField(max_length=150, blank=True)
    decided_at = models.DateTimeField(null=True)
    holds_from = models.DateField(null=True, help_text="First day that it holds in the book.")
    entered_at = models.DateTimeField(
        null=True,
        help_text="When it came into the book; an order only once it is seen whose it is.",
    )


class Notice(models.Model):
    """Something that an account is told, in the portal and by mail.

    Grain: reader, kind, subject.
    """

    reader = models.CharField(max_length=152, help_text="The account's name, blanks around it.")
    kind = models.CharField(max_length=40, help_text="Of its words, and of the page it leads to.")
    subject = models.CharField(max_length=60, help_text="Number or id of what it is about.")
    party = models.CharField(max_length=200, blank=True, help_text="Whom it is about.")
    at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True, help_text="When the account was shown it.")
    mailed_at = models.DateTimeField(null=True, help_text="When a mail server took it.")
    over_at = models.DateTimeField(null=True, help_text="When what it is about was decided.")
    tried = models.IntegerField(default=0, help_text="Mails that were tried.")
    next_at = models.DateTimeField(null=True, db_index=True, help_text="When a mail is tried.")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["reader", "kind", "subject"], name="told_once"),
        )


class MailAddress(models.Model):
    """The address to which the notices of an account are mailed, as it has said itself."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE)
    address = models.CharField(max_length=254, blank=True)
    muted = models.CharField(
        max_length=500, blank=True, default="", help_text="Kinds that are not mailed, with blanks."
    )
    digest = models.BooleanField(default=False, help_text="One mail a day in place of each.")


class SignUpLink(models.Model):
    """A link that a partner hands on: a customer that consents by it is the partner's from then."""

    code = models.CharField(max_length=64, unique=True)
    party = models.CharField(max_length=200)
    made_by = models.CharField(max_length=150)
    made_at = models.DateTimeField()
    authority = _authority()
    ended_at = models.DateTimeField(null=True)


class Quote(models.Model):
    """Something out of the ordinary that is asked for: a price, a coupon, an agreement.

    It goes up the chain that the policy said when it was asked, one step after the other. Of one
    that is granted, refused or lapsed each step is a row of the workspace's `approvals`.
    """

    STATES = ("open", "approved", "refused", "lapsed", "withdrawn")
    kind = models.CharField(max_length=20)
    customer = models.CharField(max_length=200)
    partner = models.CharField(max_length=200, blank=True)
    party = models.CharField(
        max_length=200, blank=True, help_text="On whose behalf it is asked; empty: the vendor's."
    )
    product = models.CharField(max_length=200, blank=True)
    row = models.JSONField(help_text="The columns of `approvals` that all its steps share.")
    steps = models.JSONField(
        help_text="The steps in order: who may decide and within what; once it is over who did, "
        "for whom, when, why, and the working days and hours that it took."
    )
    policy = models.CharField(max_length=200)
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    authority = _authority()
    state = models.CharField(max_length=20, choices=[(s, s) for s in STATES], db_index=True)
    due_at = models.DateTimeField(null=True, help_text="When its present step lapses.")
    readers = models.TextField(help_text="Accounts that see it by their names, blanks around each.")
    approval = models.CharField(max_length=60, blank=True, help_text="Its id in the workspace.")
    entered_at = models.DateTimeField(null=True)


class CaseQuestion(models.Model):
    """A question to a party about a case of findings, which the party may answer.

    Nothing of the case stands here, its name neither: that names others.
    """

    STATES = ("open", "answered", "over")
    party = models.CharField(max_length=200, help_text="Who is asked.")
    state = models.CharField(max_length=20, choices=[(s, s) for s in STATES])
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()


class CaseEntry(models.Model):
    """An entry of a question: what was asked, or answered."""

    question = models.ForeignKey(CaseQuestion, models.CASCADE)
    party = models.CharField(max_length=200)
    by = models.CharField(max_length=150)
    at = models.DateTimeField()
    state = models.CharField(max_length=20)
    text = models.TextField(max_length=4000)


class QuestionedCase(models.Model):
    """The case that a question is about, for those who see everything."""

    question = models.OneToOneField(CaseQuestion, models.CASCADE)
    case_name = models.CharField(max_length=500, db_index=True)


class Scenario(models.Model):
    """A scenario that operations save, and that two of them may publish. It touches no facts."""

    name = models.CharField(max_length=200, unique=True)
    text = models.TextField(max_length=1_000_000)
    saved_by = models.CharField(max_length=150)
    saved_at = models.DateTimeField()
    outcome = models.JSONField(null=True, help_text="Of the last run of the text.")
    reason = models.CharField(max_length=500, blank=True)
    asked_by = models.CharField(max_length=150, blank=True)
    asked_at = models.DateTimeField(null=True)
    authority = _authority()
    published_by = models.CharField(max_length=150, blank=True)
    published_at = models.DateTimeField(null=True)


class Approval(models.Model):
    """A close that the first of two asks for; the other approves what this one has seen (`run`)."""

    period = models.CharField(max_length=40)
    run = models.CharField(max_length=64)
    known = models.DateTimeField()
    reason = models.CharField(max_length=500)
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    authority = _authority()
    approved_by = models.CharField(max_length=150, blank=True)
    approved_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=150, blank=True, help_text="Who withdrew or refused it.")
    ended_at = models.DateTimeField(null=True)
    ended_why = models.CharField(max_length=500, blank=True)


class Payment(models.Model):
    """A payment that a closed period asks for, and how far it has come.

    Grain: period, payee, currency, form. Its amount never changes; what becomes known of a closed
    period is of the next one.
    """

    STATES = DUE, SENT, PAID, RETURNED = ("due", "sent", "paid", "returned")
    CASH = "cash"
    period = models.CharField(max_length=40, db_index=True)
    payee = models.CharField(max_length=200)
    name = models.CharField(max_length=500)
    currency = models.CharField(max_length=10)
    form = models.CharField(max_length=60)
    amount = models.CharField(max_length=60, help_text="Exact text; tax is in it.")
    state = models.CharField(max_length=20, choices=[(s, s) for s in STATES], default=DUE)
    day = models.DateField(null=True, help_text="The day on which it came into its state.")
    reason = models.CharField(max_length=500, blank=True)
    changed_by = models.CharField(max_length=150, blank=True)
    changed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["period", "payee", "currency", "form"], name="payment_once"
            ),
        )
        indexes = (models.Index(fields=["payee", "period"], name="payment_of_payee"),)


class DeliveryDecision(models.Model):
    """A decision about a delivery that the first of two asks for; the other approves it."""

    KINDS = ("void", "replaces", "adds", "leave-out")
    delivery = models.CharField(
        max_length=64, db_index=True, help_text="Id of the import it is about."
    )
    source = models.CharField(max_length=500, help_text="Its file name.")
    kind = models.CharField(max_length=20, choices=[(k, k) for k in KINDS])
    other = models.CharField(
        max_length=64, blank=True, help_text="Id of the import that it replaces, or adds to."
    )
    other_source = models.CharField(max_length=500, blank=True)
    facts = models.JSONField(help_text="What would be kept of it, as the first saw it.")
    reason = models.CharField(max_length=500)
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    authority = _authority()
    approved_by = models.CharField(max_length=150, blank=True)
    approved_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=150, blank=True, help_text="Who withdrew or refused it.")
    ended_at = models.DateTimeField(null=True)

    @property
    def waits(self) -> bool:
        """True while it may still be approved."""
        return self.approved_at is None and self.ended_at is None


class SavedView(models.Model):
    """A list as somebody has filtered and sorted it, under a name. Grain: reader, page, name."""

    reader = models.CharField(max_length=152, help_text="The account's name, blanks around it.")
    page = models.CharField(max_length=40, help_text="Name of the list's address.")
    name = models.CharField(max_length=100)
    query = models.CharField(max_length=1000, help_text="What its address asks for.")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["reader", "page", "name"], name="view_once"),
        )


class KnownName(models.Model):
    """A party, customer or order that an import of the book names, as searches find it.

    Grain: kind, key, issuer. An import that is taken in is a row of the kind IMPORT.
    """

    IMPORT, ORDER, CUSTOMER = "import", "order", "customer"
    kind = models.CharField(max_length=20, help_text="Of a party the book's own: partner, rep ...")
    key = models.CharField(max_length=500)
    issuer = models.CharField(max_length=200, blank=True, help_text="Of an order.")
    name = models.CharField(max_length=500, blank=True)
    text = models.TextField(help_text="What is searched: key and name as `folded` writes them.")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["kind", "key", "issuer"], name="known_once"),
        )


class Event(models.Model):
    """An act of somebody in the portal. The workspace's log has it too (events.py).

    What changes the workspace stands in that log once more, as what it is.
    """

    at = models.DateTimeField(db_index=True)
    actor = models.CharField(max_length=150)
    act = models.CharField(max_length=60)
    subject = models.CharField(max_length=500)
    detail = models.JSONField(default=dict)
    salt = models.CharField(max_length=32, help_text="Of its digest in the workspace's log.")
    seq = models.IntegerField(
        null=True, db_index=True, help_text="Its row in the workspace's log; none: not yet there."
    )


class LogName(models.Model):
    """The name for which a code stands in the workspace's log, where no names stand."""

    code = models.CharField(max_length=17, primary_key=True)
    name = models.CharField(max_length=200)


class Token(models.Model):
    """A token by which a program asks as its user, within its scopes. Only its digest is kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.CharField(max_length=40, help_text="read, or read act.")
    authority = _authority()
    made_at = models.DateTimeField()
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)


class IdempotentResponse(models.Model):
    """The answer to a request that carried an idempotency key.

    The same request again gets it again, and does nothing.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    key = models.CharField(max_length=200)
    request = models.CharField(max_length=64, help_text="Digest of method, path and body.")
    status = models.IntegerField(null=True, help_text="None while it is being answered.")
    body = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "key"], name="answered_once"),)


class Spent(models.Model):
    """Requests that somebody has made in a minute, as far as the processes have said so."""

    who = models.CharField(max_length=100)
    minute = models.BigIntegerField(help_text="Since 1970.")
    requests = models.IntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["who", "minute"], name="spent_once"),)


class FailedSignIn(models.Model):
    """Wrong passwords for an account from a sender, and until when the next try waits."""

    key = models.CharField(
        max_length=64, primary_key=True, help_text="Digest of both: a name may be a password."
    )
    count = models.IntegerField(default=0)
    at = models.DateTimeField(db_index=True)
    until = models.DateTimeField()


class ImportJob(models.Model):
    """An import, running or done, as every process shows it; the log has it for good."""

    actor = models.CharField(max_length=150)
    files = models.JSONField()
    size = models.BigIntegerField(help_text="Bytes of all files.")
    done = models.BigIntegerField(default=0, help_text="Bytes read.")
    now = models.CharField(max_length=500, blank=True, help_text="The file that is being read.")
    over = models.BooleanField(default=False)
    at = models.DateTimeField(help_text="When it was last heard of.")
    imported = models.JSONField(default=list)
    problems = models.JSONField(default=list)


class Work(models.Model):
    """Slow work that goes on while one watches, as every process shows it: `commands/work.py`."""

    KINDS = SCENARIO, SETTLE = ("scenario", "settle")
    kind = models.CharField(max_length=20, choices=[(k, k) for k in KINDS])
    subject = models.CharField(max_length=60, help_text="Number of a scenario, or key of a period.")
    actor = models.CharField(max_length=150)
    now = models.CharField(max_length=200, blank=True, help_text="The step that is being done.")
    done = models.IntegerField(default=0, help_text="Steps that were begun.")
    steps = models.IntegerField(default=0, help_text="Steps in all; 0: nobody knows yet.")
    changed = models.BooleanField(null=True, help_text="Whether something came out otherwise.")
    over = models.BooleanField(default=False)
    at = models.DateTimeField(help_text="When it was last heard of.")
    problems = models.JSONField(default=list)


class Hook(models.Model):
    """A webhook: another system that subscribes to what its user may see."""

    EVENTS = ("statement", "dispute")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    url = models.URLField(max_length=500)
    events = models.CharField(max_length=100)
    secret = models.CharField(
        max_length=100, help_text="Signs what is sent; shown to its user alone."
    )
    made_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    claimed_until = models.DateTimeField(
        null=True, help_text="One process delivers to it until then."
    )


class WebhookDelivery(models.Model):
    """A message to a webhook, until it has arrived or is given up."""

    hook = models.ForeignKey(Hook, models.CASCADE)
    body = models.JSONField()
    at = models.DateTimeField()
    tried = models.IntegerField(default=0)
    status = models.IntegerField(default=0)
    next_at = models.DateTimeField(null=True, db_index=True)

    @property
    def state(self) -> str:
        """Its state: arrived, waits, or given-up."""
        if self.next_at:
            return "waits"
        return "arrived" if 200 <= self.status < 300 else "given-up"

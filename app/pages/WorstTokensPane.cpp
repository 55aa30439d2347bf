// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/WorstTokensPane.h"

#include "app/pages/ContextDelegate.h"
#include "core/evaluate/token_text.h"
#include "widgets/models/Metric.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/ToolRow.h"
#include "widgets/views/ViewSetup.h"

#include <QHeaderView>
#include <QLabel>
#include <QStandardItemModel>
#include <QTableView>
#include <QVBoxLayout>

namespace qs::app {

namespace {

constexpr size_t kContextTokens = 6;
constexpr int kWindowRole = Qt::UserRole + 1, kTokenRole = Qt::UserRole + 2, kFlipRole = Qt::UserRole + 3;

struct WorstRow {
    QString before, text, top, referenceTop;
    double kl = 0, otherKl = ui::kNotMeasured;
    int window = 0, token = 0;
    bool flip = false;
};

QString oneLine(const std::string& text) {
    QString out = QString::fromStdString(text);
    out.replace(QLatin1Char('\n'), QStringLiteral("↵"));
    return out;
}

/// Decodes: a worker's work.
std::vector<WorstRow> worstRows(const Evaluation& e, const Evaluation* other, const Tokenizer& tokenizer) {
    std::vector<WorstRow> rows;
    const bool paired = other && other->hasReference && whyNotComparable(e, *other).empty();
    for (const size_t i : worstTokens(e, WorstTokensPane::kShown)) {
        const TokenContext c = tokenContext(e, tokenizer, i, kContextTokens);
        WorstRow r;
        r.before = oneLine(c.before);
        r.text = oneLine(c.token);
        r.kl = double(e.tokenKl[i]);
        if (paired) r.otherKl = double(other->tokenKl[i]);
        r.referenceTop = QString::fromStdString(tokenizer.display(e.referenceTop[i]));
        r.top = QString::fromStdString(tokenizer.display(e.tokenTop[i]));
        r.flip = e.tokenTop[i] != e.referenceTop[i];
        r.window = int(c.window);
        r.token = int(c.position);
        rows.push_back(std::move(r));
    }
    return rows;
}

QStandardItem* item(const QString& text, bool number = false) {
    auto* i = new QStandardItem(text);
    i->setEditable(false);
    if (number) i->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
    return i;
}

} // namespace

WorstTokensPane::WorstTokensPane(JudgeSet* set, QWidget* parent)
    : QWidget(parent), m_set(set), m_model(new QStandardItemModel(this)), m_view(new QTableView) {
    setObjectName(QStringLiteral("worstTokensPane"));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    auto* row = new ui::ToolRow;
    m_title = row->addTitle(tr("Worst tokens"));
    row->addStretch();
    m_note = row->addLabel({});
    layout->addWidget(row);
    m_view->setObjectName(QStringLiteral("worstTokens"));
    m_view->setAccessibleName(tr("Worst tokens"));
    m_view->setToolTip(tr("Click to see the passage"));
    ui::setupTable(m_view);
    m_view->setModel(m_model);
    m_view->setSelectionMode(QAbstractItemView::SingleSelection);
    m_view->setEditTriggers(QAbstractItemView::NoEditTriggers);
    m_view->setItemDelegateForColumn(0, new ContextDelegate(m_view));
    layout->addWidget(m_view, 1);
    const auto open = [this](const QModelIndex& i) {
        const QModelIndex first = i.siblingAtColumn(0);
        if (first.isValid())
            emit tokenChosen(first.data(kWindowRole).toInt(), first.data(kTokenRole).toInt());
    };
    connect(m_view, &QTableView::clicked, this, open);
    connect(m_view, &QTableView::activated, this, open);
    connect(set, &JudgeSet::changed, this, &WorstTokensPane::refresh);
    connect(&ui::ThemeNotifier::instance(), &ui::ThemeNotifier::changed, this, &WorstTokensPane::colourFlips);
    refresh();
}

void WorstTokensPane::setSubject(char letter) {
    m_subject = letter;
    refresh();
}

void WorstTokensPane::colourFlips() {
    for (int r = 0; r < m_model->rowCount(); ++r)
        for (int c = 0; c < m_model->columnCount(); ++c)
            if (QStandardItem* i = m_model->item(r, c); i && i->data(kFlipRole).toBool())
                i->setForeground(ui::theme().error);
}

void WorstTokensPane::refresh() {
    const ComparedRun* run = m_set->find(m_subject);
    const ComparedRun* other = nullptr;
    for (const ComparedRun& r : m_set->runs())
        if (r.run && r.letter != m_subject && (!other || r.letter == m_set->against())) other = &r;
    const auto e = run && run->evaluation && run->evaluation->hasReference ? run->evaluation : nullptr;
    const auto o = other ? other->evaluation : nullptr;
    m_title->setText(run && run->run ? tr("Worst tokens, %1").arg(QLatin1Char(m_subject))
                                     : tr("Worst tokens"));
    if (e && e == m_shown && o == m_other) return;
    m_shown = e;
    m_other = o;
    m_model->clear();
    m_note->setText(e ? tr("%1 of %2 held-out")
                            .arg(std::min<size_t>(kShown, e->tokens))
                            .arg(ui::integerText(qint64(e->tokens)))
                      : tr("Evaluate a run first"));
    const auto model = m_set->session()->model();
    if (!e || !model || !model->tokenizer()) return;
    JobHandle* job = m_set->session()->pool()->post(
        {QStringLiteral("judge-worst"), tr("Decode the worst tokens"), false, 1},
        [e, o, model](const JobScope&) -> Outcome {
            return Payload::of(worstRows(*e, o.get(), *model->tokenizer()));
        });
    const QString letter = QString(QLatin1Char(m_subject)),
                  otherLetter = other ? QString(QLatin1Char(other->letter)) : QString();
    job->then(this, [this, e, letter, otherLetter](const Outcome& outcome) {
        const auto rows = outcome.as<std::vector<WorstRow>>();
        if (!rows || e != m_shown) return;
        const bool paired = !rows->empty() && !std::isnan(rows->front().otherKl);
        QStringList titles = {tr("context"), tr("KL %1").arg(letter)};
        if (paired) titles << tr("KL %1").arg(otherLetter);
        titles << tr("A top-1") << tr("%1 top-1").arg(letter);
        m_model->clear();
        m_model->setHorizontalHeaderLabels(titles);
        for (int c = 1; c < (paired ? 3 : 2); ++c)
            m_model->horizontalHeaderItem(c)->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
        for (const WorstRow& r : *rows) {
            QList<QStandardItem*> items = {item(r.before + r.text), item(ui::numberText(r.kl, 3), true)};
            if (paired) items << item(ui::numberText(r.otherKl, 3), true);
            items << item(r.referenceTop) << item(r.top);
            items[0]->setData(r.before, ContextDelegate::BeforeRole);
            items[0]->setData(r.text, ContextDelegate::TokenRole);
            items[0]->setData(r.window, kWindowRole);
            items[0]->setData(r.token, kTokenRole);
            items[0]->setToolTip(
                tr("%1\nPassage %2, token %3").arg(r.before + r.text).arg(r.window + 1).arg(r.token));
            for (QStandardItem* mono : items.last(2))
                mono->setFont(ui::monoFont());
            items.back()->setData(r.flip, kFlipRole);
            m_model->appendRow(items);
        }
        colourFlips();
        m_view->horizontalHeader()->setStretchLastSection(false);
        m_view->horizontalHeader()->setSectionResizeMode(0, QHeaderView::Stretch);
        for (int c = 1; c < m_model->columnCount(); ++c)
            m_view->setColumnWidth(c, c >= m_model->columnCount() - 2 ? 62 : 54);
    });
}

} // namespace qs::app

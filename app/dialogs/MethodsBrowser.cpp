// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/dialogs/MethodsBrowser.h"

#include "core/export/exporter.h"
#include "widgets/views/SearchLineEdit.h"
#include "widgets/views/ToolRow.h"
#include "widgets/views/ViewSetup.h"

#include <QHeaderView>
#include <QLabel>
#include <QScrollArea>
#include <QSplitter>
#include <QTreeWidget>
#include <QVBoxLayout>

namespace qs::app {

namespace {

constexpr int kEntryRole = Qt::UserRole + 1;

QString kindTitle(CatalogueKind kind) {
    switch (kind) {
    case CatalogueKind::Method:
        return MethodsBrowser::tr("Methods");
    case CatalogueKind::Codec:
        return MethodsBrowser::tr("Number formats");
    case CatalogueKind::Transform:
        return MethodsBrowser::tr("Transforms");
    case CatalogueKind::Score:
        return MethodsBrowser::tr("Scores");
    case CatalogueKind::Allocator:
        return MethodsBrowser::tr("Allocators");
    }
    return {};
}

QString text(const std::string& s) {
    return QString::fromStdString(s);
}

/// "Label: value" with the value safe to show.
QString line(const QString& label, const QString& value) {
    return QStringLiteral("<p><b>%1</b><br>%2</p>").arg(label, value.toHtmlEscaped());
}

/// As commands take it.
QString flagOf(const CatalogueEntry& e) {
    return QStringLiteral("--%1 %2").arg(QLatin1String(catalogueKindName(e.kind)), text(e.id));
}

bool choosesAmongSchemes(const CatalogueEntry& e) {
    return e.kind == CatalogueKind::Score || e.kind == CatalogueKind::Allocator;
}

} // namespace

MethodsBrowser::MethodsBrowser(LightPool* pool, QWidget* parent)
    : QDialog(parent)
    , m_filter(new ui::SearchLineEdit(ui::SearchLineEdit::Kind::Filter,
                                      tr("Filter: a name, a paper, \"no data\", \"gguf\"")))
    , m_tree(new QTreeWidget)
    , m_details(new QLabel) {
    setObjectName(QStringLiteral("methodsBrowser"));
    setWindowTitle(tr("Methods and formats"));
    auto* row = new ui::ToolRow;
    m_filter->setObjectName(QStringLiteral("methodsFilter"));
    m_filter->setAccessibleName(tr("Filter of methods and formats"));
    m_filter->setMinimumWidth(340);
    row->addWidget(m_filter);
    row->addStretch();
    m_count = row->addLabel({});
    m_tree->setObjectName(QStringLiteral("methodsTree"));
    m_tree->setAccessibleName(tr("Methods and formats"));
    m_tree->setHeaderLabels({tr("name"), tr("id"), tr("needs"), tr("exports")});
    ui::setupTree(m_tree);
    m_tree->setSelectionMode(QAbstractItemView::SingleSelection);
    m_details->setObjectName(QStringLiteral("methodsDetails"));
    m_details->setWordWrap(true);
    m_details->setTextFormat(Qt::RichText);
    m_details->setAlignment(Qt::AlignTop | Qt::AlignLeft);
    m_details->setMargin(12);
    m_details->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    auto* scroll = new QScrollArea;
    scroll->setWidgetResizable(true);
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setWidget(m_details);
    auto* split = new QSplitter(Qt::Horizontal);
    split->setChildrenCollapsible(false);
    split->addWidget(m_tree);
    split->addWidget(scroll);
    split->setSizes({800, 340});
    split->setStretchFactor(0, 1);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(row);
    layout->addWidget(split, 1);
    resize(1140, 680);
    fill();
    connect(m_filter, &ui::SearchLineEdit::textSettled, this, &MethodsBrowser::applyFilter);
    connect(m_tree, &QTreeWidget::currentItemChanged, this, &MethodsBrowser::showDetails);
    m_tree->setCurrentItem(m_items.front());
    m_filter->setFocus();
    findExports(pool);
}

MethodsBrowser* MethodsBrowser::popUp(LightPool* pool, QWidget* window) {
    auto* browser = window->findChild<MethodsBrowser*>(QString(), Qt::FindDirectChildrenOnly);
    if (!browser) browser = new MethodsBrowser(pool, window);
    browser->show();
    browser->raise();
    browser->activateWindow();
    browser->m_filter->setFocus();
    return browser;
}

void MethodsBrowser::fill() {
    const auto& entries = catalogue();
    QTreeWidgetItem *kind = nullptr, *family = nullptr;
    for (size_t i = 0; i < entries.size(); ++i) {
        const CatalogueEntry& e = entries[i];
        const bool newKind = i == 0 || entries[i - 1].kind != e.kind;
        if (newKind) kind = new QTreeWidgetItem(m_tree, {kindTitle(e.kind)});
        if (newKind || entries[i - 1].family != e.family)
            family = new QTreeWidgetItem(kind, {text(e.family)});
        auto* item = new QTreeWidgetItem(family, {text(e.label), text(e.id), text(e.needs), shortExports(i)});
        item->setData(Name, kEntryRole, int(i));
        item->setToolTip(Name, text(e.summary));
        item->setToolTip(NeedsColumn, text(e.needs));
        m_items.push_back(item);
    }
    m_tree->expandAll();
    constexpr int widths[] = {250, 120, 240};
    for (int c = 0; c < ExportsColumn; ++c)
        m_tree->setColumnWidth(c, widths[c]);
    applyFilter({});
}

void MethodsBrowser::findExports(LightPool* pool) {
    JobHandle* job =
        pool->post({QStringLiteral("methods-exports"), tr("Ask the exports"), false},
                   [](const JobScope& scope) { return Outcome::from(catalogueExports(scope.job())); });
    job->then(this, [this](const Outcome& outcome) {
        m_exports = outcome.as<CatalogueExports>();
        if (outcome.failed()) m_problem = QString::fromStdString(outcome.error().describe());
        for (size_t i = 0; i < m_items.size(); ++i) {
            m_items[i]->setText(ExportsColumn, shortExports(i));
            m_items[i]->setToolTip(ExportsColumn, exportsOf(i));
        }
        applyFilter(m_filter->text());
        showDetails();
    });
}

QString MethodsBrowser::exportsOf(size_t entry) const {
    if (choosesAmongSchemes(catalogue()[entry])) return tr("any: it chooses among formats");
    if (!m_problem.isEmpty()) return m_problem;
    if (!m_exports) return tr("asking…");
    QStringList out;
    for (const std::string& id : m_exports->exporters[entry])
        out << text(id);
    return out.isEmpty() ? tr("none") : out.join(QStringLiteral(", "));
}

QString MethodsBrowser::shortExports(size_t entry) const {
    const bool all = m_exports && m_exports->exporters[entry].size() == exporters().size();
    return all ? tr("all") : exportsOf(entry);
}

QString MethodsBrowser::textOf(size_t entry) const {
    const CatalogueEntry& e = catalogue()[entry];
    QStringList out = {kindTitle(e.kind), text(e.family),   text(e.label), text(e.id),
                       text(e.summary),   text(e.citation), text(e.needs), exportsOf(entry)};
    for (const PublishedSystem* s : e.systems)
        out << text(s->name);
    return out.join(QLatin1Char(' '));
}

void MethodsBrowser::applyFilter(const QString& filter) {
    const QStringList words = filter.split(QLatin1Char(' '), Qt::SkipEmptyParts);
    for (size_t i = 0; i < m_items.size(); ++i) {
        const QString all = textOf(i);
        m_items[i]->setHidden(!std::all_of(words.begin(), words.end(), [&](const QString& w) {
            return all.contains(w, Qt::CaseInsensitive);
        }));
    }
    const auto hideEmpty = [](QTreeWidgetItem* group) {
        bool any = false;
        for (int c = 0; c < group->childCount(); ++c)
            any = any || !group->child(c)->isHidden();
        group->setHidden(!any);
    };
    for (int k = 0; k < m_tree->topLevelItemCount(); ++k) {
        for (int f = 0; f < m_tree->topLevelItem(k)->childCount(); ++f)
            hideEmpty(m_tree->topLevelItem(k)->child(f));
        hideEmpty(m_tree->topLevelItem(k));
    }
    m_count->setText(tr("%1 of %2").arg(shownCount()).arg(m_items.size()));
    m_filter->setProblem(shownCount() > 0 ? QString() : tr("Nothing has all of these words."));
    const QTreeWidgetItem* current = m_tree->currentItem();
    if (current && !current->isHidden()) return;
    const auto first = std::ranges::find_if(m_items, [](const QTreeWidgetItem* i) { return !i->isHidden(); });
    if (first != m_items.end()) m_tree->setCurrentItem(*first);
}

int MethodsBrowser::shownCount() const {
    return int(std::ranges::count_if(m_items, [](const QTreeWidgetItem* i) { return !i->isHidden(); }));
}

void MethodsBrowser::showDetails() {
    const QTreeWidgetItem* item = m_tree->currentItem();
    const QVariant entry = item ? item->data(Name, kEntryRole) : QVariant();
    if (!entry.isValid()) {
        m_details->setText(item ? line(item->text(Name), tr("Choose one of them.")) : QString());
        return;
    }
    const CatalogueEntry& e = catalogue()[size_t(entry.toInt())];
    QStringList systems;
    for (const PublishedSystem* s : e.systems)
        systems << tr("%1 (row %2 of the systems)").arg(text(s->name)).arg(s->row);
    QString html = QStringLiteral("<p><b>%1</b> · %2</p><p>%3</p>")
                       .arg(text(e.label).toHtmlEscaped(), text(e.family).toHtmlEscaped(),
                            text(e.summary).toHtmlEscaped());
    html += line(tr("Source"), text(e.citation));
    if (!systems.isEmpty()) html += line(tr("Published as"), systems.join(QStringLiteral("; ")));
    html += line(tr("Needs"), tr("%1; no gradients, no GPU").arg(text(e.needs)));
    html += line(tr("Exports that hold it"), exportsOf(size_t(entry.toInt())));
    html += line(tr("On the command line"), flagOf(e));
    m_details->setText(html);
}

} // namespace qs::app

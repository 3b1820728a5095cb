#include "index/graph.h"

#include <algorithm>
#include <mutex>
#include <numeric>

#include "base/progress.h"
#include "base/random.h"
#include "index/landmarks.h"
#include "index/smallest.h"

namespace sextant::index {
namespace {

// A batch is at most this part of the graph, and at most so many rows.
constexpr size_t kBatchPart = 50;
constexpr size_t kBatchMax = 8192;
// Rows of a batch that a thread takes at once.
constexpr size_t kRowsAtOnce = 8;
// The same where a row's neighbours are known.
constexpr size_t kNearAtOnce = 256;
// Candidates of a walk from such a row's links: from here up to Shape's build_breadth as many as find this part of the
// nearest of some rows. Neighbours of what lies in clusters are known soon, those of what lies everywhere are not.
constexpr size_t kRefineBreadthMin = 48;
constexpr double kRefineRecall = 0.94;
// The rows for which that is measured, and how many of their nearest.
constexpr size_t kRefineSample = 200;
constexpr size_t kRefineNearest = 10;
// Nodes near a removed one that may link to it: what a walk of this breadth meets.
constexpr size_t kRepairBreadth = 64;

}  // namespace

// Tells how many rows of some passes are linked.
class Graph::Told {
 public:
  Told(base::Progress* progress, size_t passes, size_t before, size_t rows)
      : progress_(progress), passes_(passes), done_(passes * before), rows_(rows) {}
  void more(size_t rows) {
    done_ += rows;
    if (progress_ == nullptr) return;
    if (std::unique_lock lock(mutex_, std::try_to_lock); lock) progress_->report(std::min(rows_, done_ / passes_));
  }

 private:
  base::Progress* progress_;
  size_t passes_;
  std::atomic<size_t> done_;
  size_t rows_;
  std::mutex mutex_;
};

// A thread's own memory.
struct Graph::Worker {
  explicit Worker(const Vectors& vectors)
      : scorer(vectors), other(vectors), all_rows(vectors.rows), row_values(vectors.rows->dim()) {}
  Scorer scorer, other;
  const Rows* all_rows;
  WalkMemory memory;
  std::vector<Candidate> found, kept;
  std::vector<float> row_values;
  std::vector<uint32_t> rows, others;
  std::vector<float> distances;
  size_t compared = 0;
};

Graph::Graph(const Shape& shape, size_t capacity) : shape_(shape) {
  for (size_t l = 0; l < kLayersMax; ++l) {
    // One in kLayerRatio, and room for chance.
    const size_t nodes = l == 0 ? capacity : (capacity >> (4 * l)) * 2 + 1024;
    layers_[l] = Layer(degree_of(l), std::min(nodes, capacity), l == 0);
  }
}

Graph::Graph(const Shape& shape, std::vector<Layer> layers, uint32_t entry) : shape_(shape) {
  for (size_t l = 0; l < layers.size(); ++l) layers_[l] = std::move(layers[l]);
  if (!layers.empty()) set_entry(layers.size(), entry);
}

size_t Graph::level_of(uint32_t row) const {
  uint64_t state = shape_.seed ^ (uint64_t{row} << 20);
  uint64_t bits = base::splitmix64(state);
  size_t level = 0;
  while (level + 1 < kLayersMax && bits % kLayerRatio == 0) {
    bits /= kLayerRatio;
    ++level;
  }
  return level;
}

void Graph::descend(const Scorer& scorer, Gone gone, WalkMemory& memory, std::vector<Candidate>& found,
                    size_t& compared) const {
  const uint64_t entry = entry_.load(std::memory_order_acquire);
  const size_t height = static_cast<size_t>(entry >> 32);
  found.clear();
  if (height == 0) return;
  const auto node = static_cast<uint32_t>(entry);
  found.push_back({scorer.distance(layers_[height - 1].row(node)), node});
  for (size_t l = height - 1; l > 0; --l) {
    const size_t breadth = l == 1 && scorer.landmarks() == nullptr ? kEntryBreadth : 1;
    walk(layers_[l], scorer, breadth, layers_[l].size(), gone, memory, found, compared);
    for (Candidate& candidate : found) candidate.node = layers_[l].below(candidate.node);
  }
  const Landmarks* landmarks = scorer.landmarks();
  if (landmarks == nullptr) return;
  compared += landmarks->rows().size();
  landmarks->add_nearest(scorer, gone, {}, memory.distances, found);
}

void Graph::search(const Scorer& scorer, size_t breadth, Gone gone, WalkMemory& memory, std::vector<Candidate>& found,
                   size_t& compared) const {
  descend(scorer, gone, memory, found, compared);
  walk(layers_[0], scorer, breadth, layers_[0].size(), gone, memory, found, compared);
}

bool Graph::search_allowed(const Scorer& scorer, size_t breadth, Gone gone, Allowed allowed, WalkMemory& memory,
                           std::vector<Candidate>& found, size_t& compared) const {
  if (const Landmarks* landmarks = scorer.landmarks(); landmarks != nullptr) {
    compared += landmarks->rows().size();
    landmarks->add_nearest(scorer, gone, allowed, memory.distances, found);
  }
  const bool starts_allowed =
      std::any_of(found.begin(), found.end(), [&](const Candidate& start) { return allowed.contains(start.node); });
  // Those that are not allowed keep their places.
  walk_allowed(layers_[0], scorer, breadth + found.size(), layers_[0].size(), gone, allowed, memory, found, compared);
  return starts_allowed;
}

std::vector<std::unique_ptr<Graph::Worker>> Graph::make_workers(const Vectors& vectors, base::ThreadPool& pool) {
  std::vector<std::unique_ptr<Worker>> workers;
  for (size_t i = 0; i < pool.thread_count(); ++i) workers.push_back(std::make_unique<Worker>(vectors));
  return workers;
}

void Graph::insert(std::span<const uint32_t> rows, const Vectors& vectors, Gone gone, base::ThreadPool& pool,
                   base::Progress* progress, size_t done_before) {
  std::vector<std::unique_ptr<Worker>> workers = make_workers(vectors, pool);
  insert_batches(rows, layers_[0].size(), 0, gone, pool, workers, progress, done_before);
}

void Graph::insert_batches(std::span<const uint32_t> rows, size_t there, size_t level_min, Gone gone,
                           base::ThreadPool& pool, std::vector<std::unique_ptr<Worker>>& workers,
                           base::Progress* progress, size_t done_before) {
  for (size_t done = 0; done < rows.size();) {
    const size_t batch = std::min({rows.size() - done, kBatchMax, std::max<size_t>(1, (there + done) / kBatchPart)});
    insert_batch(rows.subspan(done, batch), level_min, gone, pool, workers);
    done += batch;
    if (progress != nullptr) progress->report(done_before + done);
  }
}

void Graph::insert(std::span<const uint32_t> rows, const NearRows& near, const Vectors& vectors, base::ThreadPool& pool,
                   base::Progress* progress, bool refine) {
  std::vector<std::unique_ptr<Worker>> workers = make_workers(vectors, pool);
  const size_t bound = *std::max_element(rows.begin(), rows.end()) + size_t{1};
  // Those of the layers above, one by one: their links in the lowest layer are its long ways. Wherever chance chose
  // nobody among a row and those near it, the row is one of them, so that walks find into small clusters too.
  std::vector<bool> is_high(bound);
  for (uint32_t row : rows) is_high[row] = level_of(row) > 0;
  std::vector<uint32_t> high;
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::span<const uint32_t> around = near.of(i);
    const bool covered = is_high[rows[i]] || std::any_of(around.begin(), around.end(), [&](uint32_t other) {
                           return other != kNoNode && is_high[other];
                         });
    if (!covered) is_high[rows[i]] = true;
    if (is_high[rows[i]]) high.push_back(rows[i]);
  }
  insert_batches(high, 0, 1, {}, pool, workers, progress, 0);

  Told told(progress, refine ? 2 : 1, high.size(), rows.size());
  relink_all(rows, pool, workers, told, [&](size_t i, Worker& worker) {
    worker.others.assign(near.of(i).begin(), near.of(i).end());
    if (is_high[rows[i]]) add_links(rows[i], bound, worker.others);
  });
  layers_[0].set_size(bound);
  link_back_all(rows, pool, workers);
  if (!refine) return reach_all(rows, *workers.front());
  // Groups end somewhere, and who lies beyond is missing: neighbours' neighbours are looked at. And where a small
  // cluster fell among the groups of others its rows know nobody of their own: landmarks do.
  const size_t breadth = refine_breadth(rows, pool, workers);
  relink_all(rows, pool, workers, told, [&](size_t i, Worker& worker) {
    look_around(rows[i], breadth, worker);
    for (const Candidate& candidate : worker.found) worker.others.push_back(candidate.node);
  });
  link_back_all(rows, pool, workers);
  reach_all(rows, *workers.front());
}

// What a walk from the row's links and the nearest landmarks finds: worker.found; its links: worker.others. REQUIRES:
// worker.scorer is about the row.
void Graph::look_around(uint32_t row, size_t breadth, Worker& worker) const {
  const Layer& lowest = layers_[0];
  worker.others.clear();
  add_links(row, lowest.size(), worker.others);
  worker.distances.resize(worker.others.size());
  sort_by_distance(worker.scorer, worker.others, worker);
  worker.found = worker.kept;
  if (worker.found.size() > kEntryBreadth) worker.found.resize(kEntryBreadth);
  const Landmarks* landmarks = worker.scorer.landmarks();
  if (landmarks != nullptr) landmarks->add_nearest(worker.scorer, {}, {}, worker.memory.distances, worker.found);
  walk(lowest, worker.scorer, breadth, lowest.size(), {}, worker.memory, worker.found, worker.compared);
}

size_t Graph::refine_breadth(std::span<const uint32_t> rows, base::ThreadPool& pool,
                             std::vector<std::unique_ptr<Worker>>& workers) const {
  constexpr size_t kRowsOfScan = 1024;
  struct Sampled {
    uint32_t row;
    float reach;  // how far the last of its nearest lies
    size_t found;
  };
  base::Random random(shape_.seed + 2);
  std::vector<Sampled> sample(std::min(kRefineSample, rows.size()));
  for (Sampled& sampled : sample) sampled.row = rows[random.below(rows.size())];
  const auto set_row = [](uint32_t row, Worker& worker) {
    worker.all_rows->read(row, worker.row_values.data());
    worker.scorer.set_new_row(worker.row_values.data());
  };
  pool.parallel_for(sample.size(), [&](size_t s, size_t thread) {
    Worker& worker = *workers[thread];
    set_row(sample[s].row, worker);
    Smallest nearest(kRefineNearest);
    worker.distances.resize(kRowsOfScan);
    for (size_t first = 0; first < rows.size(); first += kRowsOfScan) {
      const size_t count = std::min(kRowsOfScan, rows.size() - first);
      worker.scorer.distances(rows.data() + first, count, worker.distances.data());
      for (size_t i = 0; i < count; ++i) {
        if (worker.distances[i] < nearest.last() && rows[first + i] != sample[s].row) nearest.add(worker.distances[i]);
      }
    }
    sample[s].reach = nearest.last();
  });
  const size_t most = std::max(kRefineBreadthMin, shape_.build_breadth);
  size_t breadth = kRefineBreadthMin;
  for (; breadth < most; breadth += breadth / 2) {
    pool.parallel_for(sample.size(), [&](size_t s, size_t thread) {
      Worker& worker = *workers[thread];
      set_row(sample[s].row, worker);
      look_around(sample[s].row, breadth, worker);
      const auto is_one = [&](const Candidate& c) {
        return c.node != sample[s].row && c.distance <= sample[s].reach;  // of those equally near any will do
      };
      const auto found = std::count_if(worker.found.begin(), worker.found.end(), is_one);
      sample[s].found = std::min(kRefineNearest, static_cast<size_t>(found));
    });
    size_t found = 0;
    for (const Sampled& sampled : sample) found += sampled.found;
    if (static_cast<double>(found) >= kRefineRecall * static_cast<double>(sample.size() * kRefineNearest)) break;
  }
  return std::min(breadth, most);
}

void Graph::add_links(uint32_t node, size_t bound, std::vector<uint32_t>& to) const {
  layers_[0].for_links(node, bound, [&](uint32_t link) { to.push_back(link); });
}

template <class Find>
void Graph::relink_all(std::span<const uint32_t> rows, base::ThreadPool& pool,
                       std::vector<std::unique_ptr<Worker>>& workers, Told& told, Find find) {
  Layer& lowest = layers_[0];
  const size_t degree = lowest.degree();
  std::vector<uint32_t> fresh(rows.size() * degree, kNoNode);
  const size_t slices = (rows.size() + kNearAtOnce - 1) / kNearAtOnce;
  pool.parallel_for(slices, [&](size_t slice, size_t thread) {
    Worker& worker = *workers[thread];
    const size_t first = slice * kNearAtOnce, last = std::min(rows.size(), first + kNearAtOnce);
    for (size_t i = first; i < last; ++i) {
      worker.all_rows->read(rows[i], worker.row_values.data());
      worker.scorer.set_new_row(worker.row_values.data());
      find(i, worker);
      std::vector<uint32_t>& others = worker.others;
      std::sort(others.begin(), others.end());
      others.erase(std::unique(others.begin(), others.end()), others.end());
      std::erase_if(others, [&](uint32_t row) { return row == rows[i] || row == kNoNode; });
      sort_by_distance(worker.scorer, others, worker);
      keep_diverse(lowest, worker.kept, degree, worker);
      for (size_t l = 0; l < worker.kept.size(); ++l) fresh[i * degree + l] = worker.kept[l].node;
    }
    told.more(last - first);
  });
  for (size_t i = 0; i < rows.size(); ++i) lowest.set_links(rows[i], {fresh.data() + i * degree, degree});
}

// OTHERS with their distances, nearest first: worker.kept.
void Graph::sort_by_distance(const Scorer& scorer, std::span<const uint32_t> others, Worker& worker) const {
  worker.distances.resize(others.size());
  scorer.distances(others.data(), others.size(), worker.distances.data());
  worker.kept.clear();
  for (size_t i = 0; i < others.size(); ++i) worker.kept.push_back({worker.distances[i], others[i]});
  std::sort(worker.kept.begin(), worker.kept.end(), is_nearer);
}

void Graph::link_back_all(std::span<const uint32_t> rows, base::ThreadPool& pool,
                          std::vector<std::unique_ptr<Worker>>& workers) {
  Layer& lowest = layers_[0];
  const size_t bound = lowest.size();
  uint32_t links[kDegreeMax];
  // Who links to each.
  std::vector<size_t> begin(bound + 1);
  for (uint32_t row : rows) {
    lowest.for_links(row, bound, [&](uint32_t to) { ++begin[to + 1]; });
  }
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  std::vector<uint32_t> sources(begin.back());
  {
    std::vector<size_t> next(begin.begin(), begin.end() - 1);
    for (uint32_t row : rows) {
      const size_t count = lowest.links(row, bound, links);
      for (size_t i = 0; i < count; ++i) sources[next[links[i]]++] = row;
    }
  }
  const size_t slices = (rows.size() + kNearAtOnce - 1) / kNearAtOnce;
  pool.parallel_for(slices, [&](size_t slice, size_t thread) {
    Worker& worker = *workers[thread];
    uint32_t own[kDegreeMax];
    for (size_t i = slice * kNearAtOnce; i < std::min(rows.size(), (slice + 1) * kNearAtOnce); ++i) {
      const uint32_t row = rows[i];
      std::vector<uint32_t>& others = worker.others;
      others.assign(own, own + lowest.links(row, bound, own));
      others.insert(others.end(), sources.begin() + static_cast<ptrdiff_t>(begin[row]),
                    sources.begin() + static_cast<ptrdiff_t>(begin[row + 1]));
      std::sort(others.begin(), others.end());
      others.erase(std::unique(others.begin(), others.end()), others.end());
      if (others.size() > lowest.degree()) {
        worker.scorer.set_row(row);
        sort_by_distance(worker.scorer, others, worker);
        keep_diverse(lowest, worker.kept, lowest.degree(), worker);
        others.clear();
        for (const Candidate& link : worker.kept) others.push_back(link.node);
      }
      lowest.set_links(row, others);
    }
  });
}

void Graph::reach_all(std::span<const uint32_t> rows, Worker& worker) {
  Layer& lowest = layers_[0];
  const size_t bound = lowest.size();
  std::vector<bool> reached(bound);
  std::vector<uint32_t> open;
  auto reach = [&](uint32_t row) {
    if (reached[row]) return;
    reached[row] = true;
    open.push_back(row);
  };
  auto spread = [&] {
    while (!open.empty()) {
      const uint32_t row = open.back();
      open.pop_back();
      lowest.for_links(row, bound, reach);
    }
  };
  if (height() > 1) {
    for (uint32_t row : layers_[1].all_rows()) reach(row);
  } else {
    reach(entry());
  }
  spread();
  for (uint32_t row : rows) {
    if (reached[row]) continue;
    worker.all_rows->read(row, worker.row_values.data());
    worker.scorer.set_new_row(worker.row_values.data());
    search(worker.scorer, kRepairBreadth, {}, worker.memory, worker.found, worker.compared);
    // From the nearest that has room for a link, so that none is lost.
    uint32_t from = worker.found.front().node;
    for (const Candidate& candidate : worker.found) {
      uint32_t links[kDegreeMax];
      if (lowest.links(candidate.node, bound, links) == lowest.degree()) continue;
      from = candidate.node;
      break;
    }
    force_link(0, from, row, worker);
    reach(row);
    spread();
  }
}

void Graph::insert_batch(std::span<const uint32_t> rows, size_t level_min, Gone gone, base::ThreadPool& pool,
                         std::vector<std::unique_ptr<Worker>>& workers) {
  // Each row looks for its neighbours in the graph as it is.
  std::vector<std::vector<Place>> places(rows.size());
  const size_t slices = (rows.size() + kRowsAtOnce - 1) / kRowsAtOnce;
  pool.parallel_for(slices, [&](size_t slice, size_t thread) {
    for (size_t i = slice * kRowsAtOnce; i < std::min(rows.size(), (slice + 1) * kRowsAtOnce); ++i) {
      find_places(rows[i], std::max(level_min, level_of(rows[i])), gone, *workers[thread], places[i]);
    }
  });

  // Nodes and their own links; nobody is led to them yet.
  struct Back {
    size_t layer;
    uint32_t target;
    Candidate source;
  };
  std::vector<Back> back;
  std::vector<uint32_t> links;
  for (std::vector<Place>& row : places) {
    uint32_t below = row.front().row;
    for (Place& place : row) {  // lowest layer first
      Layer& layer = layers_[place.layer];
      if (place.layer == 0) {
        place.node = place.row;
      } else {
        std::vector<uint32_t>& free = free_nodes_[place.layer];
        if (free.empty()) {
          place.node = static_cast<uint32_t>(layer.size());
        } else {
          place.node = free.back();
          free.pop_back();
        }
        layer.set_place(place.node, place.row, below);
        node_of_row_[place.layer][place.row] = place.node;
      }
      below = place.node;
      links.clear();
      for (const Candidate& link : place.links) {
        links.push_back(link.node);
        back.push_back({place.layer, link.node, {link.distance, place.node}});
      }
      layer.set_links(place.node, links);
      if (place.node >= layer.size()) layer.set_size(place.node + 1);
    }
  }

  std::sort(back.begin(), back.end(), [](const Back& a, const Back& b) {
    if (a.layer != b.layer) return a.layer < b.layer;
    if (a.target != b.target) return a.target < b.target;
    return is_nearer(a.source, b.source);
  });
  std::vector<size_t> groups;
  for (size_t i = 0; i < back.size(); ++i) {
    if (i == 0 || back[i].target != back[i - 1].target || back[i].layer != back[i - 1].layer) groups.push_back(i);
  }
  groups.push_back(back.size());
  const size_t group_slices = (groups.size() - 1 + kRowsAtOnce - 1) / kRowsAtOnce;
  pool.parallel_for(group_slices, [&](size_t slice, size_t thread) {
    for (size_t g = slice * kRowsAtOnce; g < std::min(groups.size() - 1, (slice + 1) * kRowsAtOnce); ++g) {
      for (size_t i = groups[g]; i < groups[g + 1]; ++i) {
        link_back(back[i].layer, back[i].target, back[i].source, *workers[thread]);
      }
    }
  });
  // Whoever nobody links to could never be found: its nearest does, whatever the rule says.
  for (const std::vector<Place>& row : places) {
    for (const Place& place : row) {
      const bool linked = std::any_of(place.links.begin(), place.links.end(), [&](const Candidate& link) {
        return layers_[place.layer].has_link(link.node, place.node);
      });
      if (!linked && !place.links.empty()) force_link(place.layer, place.links.front().node, place.node, *workers[0]);
    }
  }

  for (const std::vector<Place>& row : places) {
    if (row.size() > height()) set_entry(row.size(), row.back().node);
  }
}

void Graph::find_places(uint32_t row, size_t level, Gone gone, Worker& worker, std::vector<Place>& places) const {
  places.resize(level + 1);
  for (size_t l = 0; l <= level; ++l) places[l] = {row, 0, l, {}};
  const uint64_t entry = entry_.load(std::memory_order_acquire);
  const size_t height = static_cast<size_t>(entry >> 32);
  if (height == 0) return;
  Scorer& scorer = worker.scorer;
  // The vector itself, not its code: one of the two sides is exact.
  worker.all_rows->read(row, worker.row_values.data());
  scorer.set_new_row(worker.row_values.data());
  std::vector<Candidate>& found = worker.found;
  found.clear();
  const auto node = static_cast<uint32_t>(entry);
  found.push_back({scorer.distance(layers_[height - 1].row(node)), node});
  for (size_t l = height; l-- > 0;) {
    const Layer& layer = layers_[l];
    size_t breadth = shape_.build_breadth;
    if (l > 0) breadth = l <= level ? std::max(kEntryBreadth, breadth / 2) : l == 1 ? kEntryBreadth : 1;
    walk(layer, scorer, breadth, layer.size(), gone, worker.memory, found, worker.compared);
    if (l <= level) {
      worker.kept = found;
      std::erase_if(worker.kept, [&](const Candidate& c) { return layer.row(c.node) == row; });
      keep_diverse(layer, worker.kept, degree_of(l), worker);
      places[l].links = worker.kept;
    }
    if (l == 0) break;
    if (found.size() > kEntryBreadth) found.resize(kEntryBreadth);
    for (Candidate& candidate : found) candidate.node = layer.below(candidate.node);
  }
}

// CANDIDATES, nearest first, less those that lie nearer to one that is kept than to the node they are for.
void Graph::keep_diverse(const Layer& layer, std::vector<Candidate>& candidates, size_t degree, Worker& worker) const {
  size_t kept = 0;
  size_t left = candidates.size();
  while (kept < left && kept < degree) {
    // candidates[0..kept) are taken, [kept] is next, the others may still fall.
    worker.other.set_row(layer.row(candidates[kept].node));
    worker.rows.clear();
    for (size_t i = kept + 1; i < left; ++i) worker.rows.push_back(layer.row(candidates[i].node));
    worker.distances.resize(worker.rows.size());
    worker.other.distances(worker.rows.data(), worker.rows.size(), worker.distances.data());
    size_t to = kept + 1;
    for (size_t i = kept + 1; i < left; ++i) {
      if (worker.distances[i - kept - 1] < candidates[i].distance) continue;
      candidates[to++] = candidates[i];
    }
    left = to;
    ++kept;
  }
  candidates.resize(kept);
}

void Graph::link_back(size_t number, uint32_t target, Candidate source, Worker& worker) {
  Layer& layer = layers_[number];
  uint32_t links[kDegreeMax];
  size_t count = layer.links(target, layer.size(), links);
  if (std::find(links, links + count, source.node) != links + count) return;
  const size_t degree = layer.degree();
  if (count < degree) {
    links[count++] = source.node;
    return layer.set_links(target, {links, count});
  }
  // Full: only what leads somewhere of its own stays, which mostly makes room for a while.
  uint32_t rows[kDegreeMax];
  float distances[kDegreeMax];
  for (size_t i = 0; i < count; ++i) rows[i] = layer.row(links[i]);
  worker.other.set_row(layer.row(target));
  worker.other.distances(rows, count, distances);
  std::vector<Candidate>& candidates = worker.kept;
  candidates.assign(1, source);
  for (size_t i = 0; i < count; ++i) candidates.push_back({distances[i], links[i]});
  std::sort(candidates.begin(), candidates.end(), is_nearer);
  keep_diverse(layer, candidates, degree, worker);
  for (size_t i = 0; i < candidates.size(); ++i) links[i] = candidates[i].node;
  layer.set_links(target, {links, candidates.size()});
}

// In the place of the farthest of TARGET's links, where they are full.
void Graph::force_link(size_t number, uint32_t target, uint32_t node, Worker& worker) {
  Layer& layer = layers_[number];
  uint32_t links[kDegreeMax];
  uint32_t rows[kDegreeMax];
  float distances[kDegreeMax];
  size_t count = layer.links(target, layer.size(), links);
  if (count < layer.degree()) {
    links[count++] = node;
  } else {
    for (size_t i = 0; i < count; ++i) rows[i] = layer.row(links[i]);
    worker.other.set_row(layer.row(target));
    worker.other.distances(rows, count, distances);
    links[std::max_element(distances, distances + count) - distances] = node;
  }
  layer.set_links(target, {links, count});
}

void Graph::remove(uint32_t row, const Vectors& vectors, Gone gone) {
  Worker worker(vectors);
  for (size_t l = kLayersMax; l-- > 1;) {
    auto found = node_of_row_[l].find(row);
    if (found == node_of_row_[l].end()) continue;
    leave_entry(l, found->second, gone);
    remove_node(l, found->second, gone, worker);
    free_nodes_[l].push_back(found->second);
    node_of_row_[l].erase(found);
  }
  leave_entry(0, row, gone);
  remove_node(0, row, gone, worker);
}

// Lets walks start elsewhere where they start at this node.
void Graph::leave_entry(size_t number, uint32_t node, Gone gone) {
  if (height() != number + 1 || entry() != node) return;
  for (size_t l = number + 1; l-- > 0;) {
    const Layer& layer = layers_[l];
    uint32_t links[kDegreeMax];
    const size_t count = l == number ? layer.links(node, layer.size(), links) : 0;
    for (size_t i = 0; i < count; ++i) {
      if (!gone.contains(layer.row(links[i]))) return set_entry(l + 1, links[i]);
    }
    if (l > 0) {
      // Nobody is linked: any node of the layer will do, the one of the lowest row for the same bytes every time.
      uint32_t best = kNoNode;
      for (const auto& [row, other] : node_of_row_[l]) {
        if (!gone.contains(row) && row < best) best = row;
      }
      if (best != kNoNode) return set_entry(l + 1, node_of_row_[l].at(best));
      continue;
    }
    for (uint32_t row = 0; row < layer.size(); ++row) {
      if (!gone.contains(row)) return set_entry(1, row);
    }
  }
  set_entry(0, 0);
}

void Graph::remove_node(size_t number, uint32_t node, Gone gone, Worker& worker) {
  Layer& layer = layers_[number];
  uint32_t own[kDegreeMax];
  const size_t own_count = layer.links(node, layer.size(), own);
  std::vector<uint32_t> neighbours;
  for (size_t i = 0; i < own_count; ++i) {
    if (own[i] != node && !gone.contains(layer.row(own[i]))) neighbours.push_back(own[i]);
  }
  // Who links to it: mostly those it is linked to, those near them, and what a walk towards it meets.
  std::vector<uint32_t> near = neighbours;
  uint32_t links[kDegreeMax];
  for (uint32_t neighbour : neighbours) {
    const size_t count = layer.links(neighbour, layer.size(), links);
    near.insert(near.end(), links, links + count);
  }
  worker.scorer.set_row(layer.row(node));
  worker.found.clear();
  for (uint32_t neighbour : neighbours) {
    worker.found.push_back({worker.scorer.distance(layer.row(neighbour)), neighbour});
  }
  std::sort(worker.found.begin(), worker.found.end(), is_nearer);
  const std::vector<Candidate> by_distance = worker.found;
  if (!worker.found.empty()) {
    walk(layer, worker.scorer, kRepairBreadth, layer.size(), gone, worker.memory, worker.found, worker.compared);
  }
  for (const Candidate& candidate : worker.found) near.push_back(candidate.node);
  std::sort(near.begin(), near.end());
  near.erase(std::unique(near.begin(), near.end()), near.end());

  for (uint32_t other : near) {
    if (other == node || gone.contains(layer.row(other))) continue;
    const size_t count = layer.links(other, layer.size(), links);
    if (std::find(links, links + count, node) == links + count) continue;
    // Its links, and in the place of this node those that this node led to.
    std::vector<uint32_t> others(links, links + count);
    others.insert(others.end(), neighbours.begin(), neighbours.end());
    std::sort(others.begin(), others.end());
    others.erase(std::unique(others.begin(), others.end()), others.end());
    std::erase_if(others, [&](uint32_t n) { return n == node || n == other || gone.contains(layer.row(n)); });
    std::vector<uint32_t> rows;
    for (uint32_t n : others) rows.push_back(layer.row(n));
    std::vector<float> distances(rows.size());
    worker.other.set_row(layer.row(other));
    worker.other.distances(rows.data(), rows.size(), distances.data());
    std::vector<Candidate> candidates;
    for (size_t i = 0; i < others.size(); ++i) candidates.push_back({distances[i], others[i]});
    std::sort(candidates.begin(), candidates.end(), is_nearer);
    keep_diverse(layer, candidates, layer.degree(), worker);
    std::vector<uint32_t> kept;
    for (const Candidate& candidate : candidates) kept.push_back(candidate.node);
    layer.set_links(other, kept);
  }
  // Whoever could be reached through it alone can be reached through the nearest of the others.
  for (const Candidate& candidate : by_distance) {
    worker.scorer.set_row(layer.row(candidate.node));
    Candidate best{0, kNoNode};
    for (const Candidate& other : by_distance) {
      if (other.node == candidate.node) continue;
      const float distance = worker.scorer.distance(layer.row(other.node));
      if (best.node == kNoNode || is_nearer({distance, other.node}, best)) best = {distance, other.node};
    }
    if (best.node == kNoNode) continue;
    link_back(number, best.node, {best.distance, candidate.node}, worker);
  }
  layer.set_links(node, {});
}

}  // namespace sextant::index

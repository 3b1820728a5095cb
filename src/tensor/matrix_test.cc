#include "tensor/matrix.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <utility>

namespace sextant::tensor {
namespace {

TEST(Matrices, AreAlignedToACacheLine) {
  base::ThreadPool pool(1);
  const Context context{pool, std::make_shared<Buffers>()};
  for (size_t columns : {1, 3, 64, 1000}) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(Matrix(3, columns).data()) % 64, 0u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(Matrix(3, columns, context).data()) % 64, 0u);
  }
}

TEST(Matrices, OfNoRowsOrColumnsAreFine) {
  const Matrix rows(0, 5), columns(5, 0);
  EXPECT_TRUE(rows.values().empty());
  EXPECT_TRUE(columns.values().empty());
}

TEST(MatricesOfAContext, UseTheMemoryOfThoseThatAreGone) {
  base::ThreadPool pool(1);
  const Context context{pool, std::make_shared<Buffers>()};
  const float* first = nullptr;
  {
    Matrix matrix(100, 50, context);
    first = matrix.data();
    EXPECT_EQ(context.buffers->kept_bytes(), 0u);
  }
  EXPECT_GE(context.buffers->kept_bytes(), 100 * 50 * sizeof(float));
  const Matrix nearly(99, 50, context);
  EXPECT_EQ(nearly.data(), first);
  const Matrix second(100, 50, context);
  EXPECT_NE(second.data(), first);
}

TEST(MatricesOfAContext, DoNotTakeABlockMuchLargerThanTheyNeed) {
  base::ThreadPool pool(1);
  const Context context{pool, std::make_shared<Buffers>()};
  { const Matrix large(1000, 1000, context); }
  const size_t kept = context.buffers->kept_bytes();
  const Matrix small(2, 2, context);
  EXPECT_EQ(context.buffers->kept_bytes(), kept);
}

TEST(MatricesOfAContext, KeepNoMoreThanTheLimit) {
  base::ThreadPool pool(1);
  const Context context{pool, std::make_shared<Buffers>(1 << 20)};
  for (int round = 0; round < 10; ++round) {
    const Matrix a(300, 300, context), b(300, 300, context), c(300, 300, context), d(300, 300, context);
  }
  EXPECT_LE(context.buffers->kept_bytes(), size_t{1} << 20);
  EXPECT_GT(context.buffers->kept_bytes(), 0u);
  { const Matrix huge(1000, 1000, context); }
  EXPECT_LE(context.buffers->kept_bytes(), size_t{1} << 20);
}

TEST(MatricesOfAContext, OutliveIt) {
  Matrix left;
  {
    base::ThreadPool pool(1);
    const Context context{pool, std::make_shared<Buffers>()};
    left = Matrix(10, 10, context);
  }
  for (float& value : left.values()) value = 1;
  EXPECT_EQ(left.row(9)[9], 1.0f);
}

}  // namespace
}  // namespace sextant::tensor
